// A span of what a recording has written: to the packet, from no more files than it needs.
import { readdirSync, rmSync } from 'node:fs'
import {
  Capture,
  type ExtractOptions,
  type ExtractResult,
  type RecordedFile,
  type Recording,
  type RecordOptions,
} from 'ringtap'
import { range } from '../../helpers/range.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import { dissect, numbersIn, timesIn } from '../../helpers/wireshark.js'
import { sendInSteps } from '../support/in-steps.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { patience, within } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
addVeth('eth1', 'far1')

const folder = new TestFolder(t)

/** Extracts into a new file. */
async function extracted(
  recording: Recording,
  options?: ExtractOptions,
): Promise<{ path: string; result: ExtractResult; numbers: number[] }> {
  const path = folder.fresh()
  const result = await within(recording.extract(path, options), 'the extract')
  return { path, result, numbers: result.written === 0 ? [] : numbersIn(path) }
}

/** Records 10 500 packets, a thousand in a file, and returns their times as well. */
async function recorded(
  t: { teardown(end: () => unknown): void },
  options: Partial<RecordOptions> = {},
): Promise<{ recording: Recording; path: string; files: RecordedFile[] }> {
  const capture = await Capture.open({ interfaces: ['eth0', 'eth1'] })
  t.teardown(() => capture.close())
  const path = folder.fresh()
  const recording = await capture.record({ path, rotate: { packets: 1000 }, ...options })
  const files: RecordedFile[] = []
  recording.on('file', (file) => files.push(file))
  await sendInSteps(capture, { interface: 'eth0', count: 10_500, size: 100 }, 500)
  return { recording, path, files }
}

t.test('a span is read from the files that have it, and from no others', async (t) => {
  const { recording, path } = await recorded(t)
  // Ends the file in progress.
  const all = await extracted(recording)
  t.same([all.numbers, all.result.filesRead], [range(0, 10_500), 11])
  t.equal(recording.stats().files, 11, 'the file in progress was needed')
  const times = rotated(path).flatMap(timesIn)
  t.equal(times.length, 10_500)
  const at = (number: number) => times[number] as bigint
  for (const [first, last, files] of [
    [2500, 3700, 2],
    [2000, 2999, 1],
    [0, 0, 1],
    [999, 1000, 2],
    [9000, 10_499, 2],
  ] as const) {
    const { result, numbers } = await extracted(recording, { from: at(first), to: at(last) })
    const wanted = range(0, 10_500).filter((number) => at(number) >= at(first) && at(number) <= at(last))
    t.same(numbers, wanted, `${first} to ${last}`)
    t.ok(wanted.length >= last - first + 1 && wanted.length < last - first + 200)
    t.equal(result.written, wanted.length)
    t.ok(result.filesRead >= files && result.filesRead <= files + 2, `${result.filesRead} files read`)
  }
  t.equal(recording.stats().files, 11, 'nothing else was ended for that')
  const none = await extracted(recording, { to: at(0) - 1n })
  t.same([none.numbers, none.result.filesRead], [[], 1])
  t.same(
    folder.hidden().filter((name) => name.endsWith('.extract')),
    [],
    'no link is left',
  )
  await recording.stop()
  t.same((await extracted(recording, { from: at(10_000) })).numbers, range(10_000, 10_500), 'after its end as well')
})

t.test('a span that lasts until now has everything received before the call', async (t) => {
  const { recording, path } = await recorded(t)
  for (const round of range(0, 5)) {
    const start = 10_500 + 10 * round
    sendSync({ interface: 'eth0', count: 10, start })
    const { numbers } = await extracted(recording, { filter: 'less 90' })
    t.same(numbers, range(10_500, start + 10))
  }
  t.equal((await extracted(recording)).numbers.length, 10_550)
  await recording.stop()
  t.same(
    rotated(path).flatMap((file) => numbersIn(file)),
    range(0, 10_550),
    'the recording has each packet once',
  )
  t.notOk(
    rotated(path).some((file) => numbersIn(file).length === 0),
    'and no empty file',
  )
})

t.test('interfaces are chosen as with convertFiles', async (t) => {
  const { recording } = await recorded(t)
  sendSync({ interface: 'eth1', count: 20, start: 20_000, size: 100 })
  const { path, numbers } = await extracted(recording, { interfaces: { include: [/1$/] } })
  t.same(numbers, range(20_000, 20_020))
  t.same(new Set(dissect(path).map((packet) => packet.interface)), new Set(['eth1']))
  await t.rejects(recording.extract(folder.fresh(), { interfaces: 'eth7' }), { code: 'ERR_NO_INTERFACE' })
  await t.rejects(recording.extract(folder.fresh(), { filter: 'no such word' }), { code: 'ERR_FILTER_SYNTAX' })
  for (const [options, message] of [
    [{ from: 5 }, /from must be/],
    [{ order: 'time' }, /order is not an option/],
  ] as const) {
    await t.rejects(recording.extract(folder.fresh(), options as never), { code: 'ERR_OPTION', message })
  }
})

t.test('files that are removed meanwhile are read nevertheless, and those removed before are missing', async (t) => {
  const { recording, path } = await recorded(t, { files: 3 })
  const { numbers, result } = await extracted(recording)
  t.same([numbers, result.filesRead], [range(8000, 10_500), 3], 'the three newest')
  const asked: string[] = []
  const held = await extracted(recording, {
    interfaces: {
      include: ({ name }) => {
        asked.push(name)
        for (const file of rotated(path)) rmSync(file)
        return true
      },
    },
  })
  t.same(rotated(path), [])
  t.equal(asked.length, 3, 'the other two were opened later')
  t.same(held.numbers, range(8000, 10_500))
  const gone = await extracted(recording)
  t.same([gone.result.files, gone.result.filesRead], [[], 0], 'there is nothing to read')
  t.notOk(readdirSync(folder.path).some((name) => name.endsWith('.extract')))
})

t.test('one file without rotation is extracted when it is complete', async (t) => {
  const { recording } = await recorded(t, { rotate: undefined })
  await t.rejects(recording.extract(folder.fresh()), { code: 'ERR_OPTION', message: /no rotate/ })
  await recording.stop()
  t.same((await extracted(recording)).numbers, range(0, 10_500))
})
