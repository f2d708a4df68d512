// Recordings into a named pipe that another program reads.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { constants } from 'node:os'
import { Capture, type CaptureError, convertFiles, Packet, type RecordOptions, SavefileWriter } from 'ringtap'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

function pipe(name: string): string {
  const path = folder.file(name)
  const { status, stderr } = spawnSync('mkfifo', [path])
  if (status !== 0) throw new Error(`mkfifo: ${stderr}`)
  return path
}

/** Runs a program; `pieces` is its standard output so far, and `ended` resolves to all of it. */
function start(program: string, ...args: string[]) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  return { child, pieces, ended: once(child, 'close').then(() => Buffer.concat(pieces)) }
}

/** Calls `open` until the pipe has a reader. */
async function opened<T>(open: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if ((error as CaptureError).errno !== constants.errno.ENXIO) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

t.test('another program reads what is recorded, while it is recorded', async (t) => {
  for (const [name, options, ...words] of [
    ['a', {}, 'tshark', '-n', '-l', '-T', 'fields', '-e', 'udp.length', '-r'],
    ['b', { format: 'pcap' }, 'tcpdump', '-n', '-l', '-t', '-r'],
  ] as [string, Partial<RecordOptions>, string, ...string[]][]) {
    const path = pipe(name)
    const [program, ...args] = words
    const reader = start(program!, ...args, path)
    let lines = 0
    reader.child.stdout.on('data', (piece: Buffer) => (lines += piece.toString().split('\n').length - 1))
    await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
    const recording = await opened(() => capture.record({ path, ...options }))
    sendSync({ interface: 'eth0', count: 50 })
    await waitUntil(() => lines === 50, `${program} to print the packets`)
    sendSync({ interface: 'eth0', count: 7, start: 50 })
    drainBacklog()
    t.match(await recording.stop(), { packets: 57, files: 1, dropped: 0 })
    t.equal((await reader.ended).toString().trimEnd().split('\n').length, 57, program)
    t.ok(statSync(path).isFIFO(), 'the pipe stays')
    t.same(imbalances(capture.stats()), [])
  }
})

t.test('compressed; the writer of single packets and the converter write into pipes too', async (t) => {
  const path = pipe('c.gz')
  const zcat = start('sh', '-c', `gzip -dc <'${path}'`)
  const capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
  const recording = await opened(() => capture.record({ path, compress: 'gzip' }))
  sendSync({ interface: 'eth0', count: 20 })
  drainBacklog()
  await recording.stop()
  await capture.close()
  const plain = folder.write(await zcat.ended)
  t.equal((await readAll(plain)).packets.length, 20)
  const single = pipe('d')
  const cat = start('cat', single)
  const writer = await opened(() => SavefileWriter.open(single))
  await writer.write(Packet.from(new Uint8Array(60), { timestamp: 1n, interface: 'eth0' }))
  await writer.close()
  t.equal((await readAll(folder.write(await cat.ended))).packets.length, 1)
  const converted = pipe('e')
  const second = start('cat', converted)
  await opened(() => convertFiles(plain, converted))
  t.equal((await readAll(folder.write(await second.ended))).packets.length, 20)
})

t.test('without a reader there is no recording; it ends when the reader does', async (t) => {
  const path = pipe('f')
  await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
  await t.rejects(capture.record({ path }), {
    code: 'ERR_SYSTEM',
    errno: constants.errno.ENXIO,
    message: `the pipe "${path}" has no reader: start the program that reads it first`,
  })
  const reader = start('cat', path)
  const recording = await opened(() => capture.record({ path }))
  await waitUntil(() => reader.pieces.length > 0, 'the head of the file')
  reader.child.kill('SIGKILL')
  await reader.ended
  sendSync({ interface: 'eth0', count: 9 })
  await t.rejects(recording.finished, {
    code: 'ERR_SYSTEM',
    errno: constants.errno.EPIPE,
    message: `the pipe "${path}" could not be written: write: Broken pipe`,
  })
  t.match(recording.stats(), { packets: 0, dropped: 9, files: 0 })
})

t.test('a reader that pauses costs no packet, and closing the capture does not wait for it', async (t) => {
  const path = pipe('g')
  const reader = start('cat', path)
  const capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
  const recording = await opened(() => capture.record({ path }))
  reader.child.kill('SIGSTOP')
  sendSync({ interface: 'eth0', count: 1000, size: 1000 })
  drainBacklog()
  const stopped = recording.stop()
  reader.child.kill('SIGCONT')
  t.match(await stopped, { packets: 1000, dropped: 0 })
  t.equal((await readAll(folder.write(await reader.ended))).packets.length, 1000)
  const stuck = start('cat', path)
  const second = await opened(() => capture.record({ path }))
  stuck.child.kill('SIGSTOP')
  sendSync({ interface: 'eth0', count: 1000, size: 1000 })
  drainBacklog()
  await capture.close()
  await t.rejects(second.finished, {
    errno: constants.errno.ETIMEDOUT,
    message: `the pipe "${path}" is not read, and the rest was not written`,
  })
  const { packets, dropped } = second.stats()
  // What was still in the ring never came to the recording.
  t.equal(packets + dropped + capture.stats().queued, 1000)
})
