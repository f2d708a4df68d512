import { spawnSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Capture, Injector, SavefileWriter } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { oneChunk } from '../support/one-chunk.js'
import { patience } from '../support/wait.js'

addVeth('eth0', 'far0')

/** After which the pool is freed, so that a close() that waits for it fails the test instead of hanging. */
const longest = 30_000 * patience
t.setTimeout(3 * longest)

/** Occupies every thread of libuv's pool with the opening of a FIFO that nobody writes to. */
function fillPool(folder: TestFolder) {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  const fifos = Array.from({ length: threads }, (_, i) => folder.file(`fifo${i}`))
  spawnSync('mkfifo', fifos)
  const opened = fifos.map((fifo) => open(fifo, 'r'))
  let free = false
  const waiting = stat('/').then(() => {
    free = true
  })
  const writers: number[] = []
  const unblock = () => {
    if (writers.length > 0) return
    for (const fifo of fifos) writers.push(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK))
  }
  const timer = setTimeout(unblock, longest)
  return {
    isFull: () => !free,
    async end() {
      clearTimeout(timer)
      unblock()
      for (const file of await Promise.all(opened)) await file.close()
      await waiting
      for (const fd of writers) closeSync(fd)
    },
  }
}

t.test('close() does not wait for a thread of the pool', async (t) => {
  const folder = new TestFolder(t)
  await using ring = await Capture.open({ interfaces: 'eth0' })
  await using pcap = await Capture.open({ interfaces: 'eth0', backend: 'pcap' })
  await using recorded = await Capture.open({ interfaces: 'eth0' })
  await recorded.record({ path: folder.file('recorded.pcapng') })
  await using injector = await Injector.open('eth0')
  await using sending = await Injector.open('eth0')
  await using aborted = await Injector.open('eth0')
  const writer = await SavefileWriter.open(folder.file('written.pcapng'))
  const chunk = await oneChunk(ring, 3)
  await writer.write(chunk)

  const pool = fillPool(folder)
  const frame = Buffer.alloc(60)
  const sent = t.rejects(sending.send(frame), { code: 'ERR_CLOSED' }, 'a send that waits for the pool')
  const signal = AbortSignal.timeout(1)
  const ended = t.rejects(aborted.send(frame, { signal }), { name: 'TimeoutError' }, 'an aborted one')
  await ended
  await Promise.all([ring.close(), pcap.close(), recorded.close(), injector.close(), sending.close(), writer.close()])
  await sent
  t.equal(chunk.released, true)
  t.equal(sending.stats().sent, 0)
  t.equal(existsSync(folder.file('written.pcapng')), true)
  t.equal(existsSync(folder.file('recorded.pcapng')), true)
  t.equal(pool.isFull(), true, 'the pool was full all the time')
  await pool.end()

  t.equal((await aborted.send(frame)).sent, 1, 'an injector whose send was aborted sends again')
  await aborted.close()
})
