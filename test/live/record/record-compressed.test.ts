import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Capture, type Compression, type RecordedFile, type RecordOptions } from 'ringtap'
import { range } from '../../helpers/range.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import { unpack } from '../../helpers/unpack.js'
import { numbersIn } from '../../helpers/wireshark.js'
import { isIncomplete, recordUntilKilled } from '../support/killed-recording.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sendSync } from '../support/send.js'
import { patience, waitUntil, within } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const compressions = ['gzip', 'zstd'] as const
const endings = { gzip: '.gz', zstd: '.zst' } as const

/** The numbers of the frames in a compressed file. */
function packedNumbers(path: string, compress: Compression, endsMidway = false): number[] {
  const plain = folder.fresh()
  writeFileSync(plain, unpack(readFileSync(path), compress, { endsMidway }))
  return numbersIn(plain, { endsMidway })
}

for (const compress of compressions) {
  t.test(`files are compressed, ${compress}`, async (t) => {
    const base = folder.fresh()
    await using capture = await Capture.open({ interfaces: 'eth0' })
    const files: RecordedFile[] = []
    const recording = await capture.record({ path: base, compress, rotate: { packets: 4000 } })
    recording.on('file', (file) => files.push(file))
    await send({ interface: 'eth0', count: 10_000, size: 300, rate: 50_000 })
    const stats = await recording.stop()
    t.same(
      files.map(({ path, packets }) => [path, packets]),
      [4000, 4000, 2000].map((packets, i) => [
        `${base.slice(0, -'.pcapng'.length)}-00000${i + 1}.pcapng${endings[compress]}`,
        packets,
      ]),
    )
    t.same(
      files.flatMap(({ path }) => packedNumbers(path, compress)),
      range(0, 10_000),
    )
    t.ok(files.every(({ path, bytes }) => bytes === statSync(path).size))
    t.equal(
      stats.bytes,
      files.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    t.ok(stats.bytes < 10_000 * 300 * 0.7, 'smaller than the packets')
    t.same(folder.hidden(), [])
    t.same(imbalances({ ...(await capture.stop()), queued: 0 }), [])

    await using other = await Capture.open({ interfaces: 'eth0' })
    const path = `${folder.fresh()}${endings[compress]}`
    const alone = await other.record({ path })
    sendSync({ interface: 'eth0', count: 10 })
    await alone.stop()
    t.same(packedNumbers(path, compress), range(0, 10), 'the path alone means it too')
  })

  t.test(`a file in progress is readable up to a second ago, ${compress}`, async (t) => {
    const path = `${folder.fresh()}${endings[compress]}`
    await using capture = await Capture.open({ interfaces: 'eth0' })
    const recording = await capture.record({ path })
    sendSync({ interface: 'eth0', count: 10 })
    await waitUntil(() => recording.stats().packets === 10, 'the packets to be written, without further ones')
    const [hidden = ''] = folder.hidden()
    t.same(packedNumbers(folder.file(hidden), compress), range(0, 10))
    await recording.stop()
  })

  for (let round = 0; round < 3; round++) {
    t.test(`what is compressed survives a kill, ${compress}, round ${round}`, async (t) => {
      const killed = new TestFolder(t)
      await recordUntilKilled(t, killed.file(`trace.pcapng${endings[compress]}`))
      const complete = rotated(killed.file(`trace.pcapng`)).flatMap((path) => packedNumbers(path, compress))
      t.equal(complete.length % 3000, 0)
      const current = killed
        .hidden()
        .map((name) => killed.file(name))
        .filter((path) => statSync(path).size > 0 && isIncomplete(path))
        .flatMap((path) => packedNumbers(path, compress, true))
      const all = [...complete, ...current]
      t.same(all, range(0, all.length), `nothing is missing or there twice: ${complete.length} + ${current.length}`)
      t.ok(all.length > 0)
    })
  }
}

t.test('each file is handed over, one at a time, and is kept as long', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const warnings: Error[] = []
  capture.on('warning', (warning) => warnings.push(warning))
  const calls: RecordedFile[] = []
  const proceed: (() => void)[] = []
  const there = () =>
    readdirSync(folder.path)
      .filter((name) => folder.file(name).startsWith(`${path.slice(0, -'.pcapng'.length)}-`))
      .sort()
      .map((name) => Number(name.match(/(\d+)\.pcapng$/)?.[1]))
  const recording = await capture.record({
    path,
    rotate: { packets: 10 },
    files: 2,
    onFile: async (file) => {
      calls.push(file)
      await new Promise<void>((resolve) => proceed.push(resolve))
      t.equal(numbersIn(file.path).length, file.packets, `${calls.length} is still there`)
      if (calls.length === 2) throw new Error('no room')
    },
  })
  let ended = false
  recording.on('end', () => {
    ended = true
  })
  sendSync({ interface: 'eth0', count: 60 })
  await waitUntil(() => recording.stats().files === 5, 'five files')
  t.same(there(), [1, 2, 3, 4, 5], 'none is removed')
  await waitUntil(() => calls.length > 0, 'the first call')
  t.equal(calls.length, 1, 'one call at a time')
  for (const expected of [2, 3]) {
    proceed.shift()?.()
    await waitUntil(() => calls.length === expected, 'the next call')
  }
  await waitUntil(() => there()[0] === 3, 'the first two files to be removed')
  t.same(there(), [3, 4, 5])
  t.same(
    warnings.map(({ message }) => message),
    [`onFile failed for ${calls[1]?.path}: no room`],
  )
  t.match(warnings, [{ code: 'ERR_OPTION', option: 'onFile', cause: { message: 'no room' } }])
  const stopping = recording.stop()
  await waitUntil(() => recording.stats().files === 6, 'the last file')
  await sleepFor(20)
  t.notOk(ended, 'the end waits for the calls')
  for (const expected of [4, 5, 6]) {
    proceed.shift()?.()
    await waitUntil(() => calls.length === expected, 'the next call')
  }
  await waitUntil(() => proceed.length === 1, 'the last call')
  proceed.shift()?.()
  t.equal((await stopping).packets, 60)
  t.ok(ended)
  t.same(
    calls.map(({ packets }) => packets),
    [10, 10, 10, 10, 10, 10],
  )
  t.same(there(), [5, 6], 'as many as asked for')
})

t.test('a hook may throw anything', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const warnings: Error[] = []
  capture.on('warning', (warning) => warnings.push(warning))
  const thrown = [Object.create(null), undefined, Object.assign(new Error(), { message: Symbol('none') })]
  const calls: RecordedFile[] = []
  const recording = await capture.record({
    path: folder.fresh(),
    rotate: { packets: 10 },
    onFile: (file) => {
      calls.push(file)
      throw thrown[calls.length - 1]
    },
  })
  sendSync({ interface: 'eth0', count: 30 })
  t.match(await within(recording.stop(), 'the end'), { packets: 30, files: 3 })
  t.same(
    calls.map(({ packets }) => packets),
    [10, 10, 10],
  )
  t.match(
    warnings,
    thrown.map((cause) => ({ code: 'ERR_OPTION', option: 'onFile', cause })),
  )
})

for (const compress of [false, 'gzip'] as const) {
  t.test(`a recording to standard output, compress ${compress}`, async (t) => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('record-output-child.js', import.meta.url)), JSON.stringify({ path: '-', compress })],
      { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
    )
    t.teardown(() => child.kill('SIGKILL'))
    const output = buffer(child.stdout as NodeJS.ReadableStream)
    await within(once(child, 'message'), 'the program to record')
    await send({ interface: 'eth0', count: 20_000, size: 1000, rate: 40_000 })
    child.send('stop')
    const [stats] = await within(once(child, 'message'), 'the figures')
    const bytes = await output
    t.match(stats, { packets: 20_000, dropped: 0, files: 1, bytes: bytes.length })
    const path = folder.fresh()
    writeFileSync(path, compress ? unpack(bytes, compress) : bytes)
    t.same(numbersIn(path), range(0, 20_000))
  })
}

t.test('close() does not wait for a reader of standard output that does not read', async (t) => {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('record-output-child.js', import.meta.url)), JSON.stringify({ path: '-' })],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await within(once(child, 'message'), 'the program to record')
  await send({ interface: 'eth0', count: 2000, size: 1000 })
  child.send('close')
  const [{ error, packets, dropped }] = (await within(once(child, 'message'), 'the end', 20_000)) as [
    { error: unknown; packets: number; dropped: number },
  ]
  t.match(error, { code: 'ERR_SYSTEM', message: /standard output is not read/ })
  t.ok(packets < 2000 && packets + dropped <= 2000)
})

t.test('a recording ends when the reader of standard output is gone', async (t) => {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('record-output-child.js', import.meta.url)), JSON.stringify({ path: '-' })],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await within(once(child, 'message'), 'the program to record')
  const output = child.stdout as Readable
  await within(once(output, 'data'), 'the head of the file')
  output.destroy()
  await send({ interface: 'eth0', count: 2000, size: 1000 })
  child.send('stop')
  const [{ error, packets, dropped }] = await within(once(child, 'message'), 'the end')
  t.match(error, { code: 'ERR_SYSTEM', message: /standard output could not be written: write: Broken pipe/ })
  t.ok(packets + dropped > 0 && packets + dropped <= 2000)
})

t.test('wrong options are refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const path = folder.fresh()
  const wrong: [unknown, RegExp][] = [
    [{ path, compress: 'xz' }, /compress must be/],
    [{ path: `${path}.gz`, compress: 'zstd' }, /compress contradicts path, which ends with .gz/],
    [{ path: `${path}.zst`, compress: false }, /compress contradicts path, which ends with .zst/],
    [{ path: `${path}.gz.gz` }, /path ends with .gz/],
    [{ path: `${path}.bz2` }, /path ends with .bz2/],
    [{ path: '.gz' }, /path must be/],
    [{ path, onFile: 7 }, /onFile must be a function/],
    [{ path: '-', rotate: { packets: 1 } }, /rotate is of no use/],
    [{ path: '-', files: 3 }, /files is only of use with rotate/],
    [{ path: '-', minimumFree: 1 }, /minimumFree is of no use/],
    [{ path: '-', sync: 'rotate' }, /sync is of no use/],
  ]
  for (const [options, message] of wrong) {
    await t.rejects(capture.record(options as RecordOptions), { code: 'ERR_OPTION', message })
  }
})
