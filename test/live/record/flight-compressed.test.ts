// A flight recorder that compresses what it keeps: the same packets in less memory.
import { Capture, type Compression } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { bytesOf, numbersIn, statisticsIn } from '../../helpers/wireshark.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { patience, within } from '../support/wait.js'

t.setTimeout(120_000 * patience)
addVeth('eth0', 'far0')
addVeth('eth1', 'far1')
const folder = new TestFolder(t)

const memory = 1 << 20

for (const compress of ['gzip', 'zstd'] as const) {
  t.test(`a memory compressed with ${compress} has more packets, in the same dump`, async (t) => {
    await using capture = await Capture.open({ interfaces: { include: '^eth' } })
    await using twin = await Capture.open({ interfaces: { include: '^eth' } })
    await using plain = twin.flightRecorder({ memory })
    await using recorder = capture.flightRecorder({ memory, compress })
    const count = 8000
    for (const start of range(0, count, 1000)) {
      for (const iface of ['eth0', 'eth1']) {
        await sendInSteps(
          capture,
          { interface: iface, count: 500, start: start + (iface === 'eth0' ? 0 : 500), size: 400 },
          500,
        )
      }
    }
    const [path, other] = [folder.fresh(), folder.fresh()]
    const [dump, short] = await within(Promise.all([recorder.dump(path), plain.dump(other)]), 'the dumps')
    t.same(numbersIn(path), range(0, count), 'nothing was given up')
    const numbers = numbersIn(other)
    t.ok(numbers.length < count / 2, `${numbers.length} packets without compression`)
    t.same([dump.packets, dump.lost, dump.overwritten], [count, 0, 0])
    t.equal(short.packets, numbers.length)
    const held = recorder.stats()
    t.equal(held.packets, count)
    t.ok(held.memory < memory, `${held.memory} bytes`)
    t.same(bytesOf(path).slice(-numbers.length), bytesOf(other), 'the same packets')
    t.same(
      statisticsIn(path).map(({ received }) => received),
      [count / 2, count / 2],
    )
    t.same(imbalances(capture.stats()), [])

    // The interfaces are asked for ahead of each piece, which is unpacked for that too.
    const one = folder.fresh()
    const part = await recorder.dump(one, { interfaces: { include: /^eth1$/ }, filter: 'udp' })
    t.equal(part.packets, count / 2)
    t.same(
      numbersIn(one),
      range(0, count).filter((number) => number % 1000 >= 500),
    )
  })
}

t.test('it gives up its oldest pieces too, and a wrong compression is refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  t.throws(() => capture.flightRecorder({ compress: 'lz4' as Compression }), { code: 'ERR_OPTION', option: 'compress' })
  await using recorder = capture.flightRecorder({ memory, compress: 'zstd' })
  let max = 0
  const count = 200_000
  for (const start of range(0, count, 10_000)) {
    await sendInSteps(capture, { interface: 'eth0', count: 10_000, start, size: 400 }, 2000)
    max = Math.max(max, recorder.stats().memory)
  }
  t.ok(max <= memory && max > memory / 2, `${max} bytes`)
  await within(recorder.dump(folder.fresh()), 'a dump') // then all packets are in the memory
  const path = folder.fresh()
  const dump = await within(recorder.dump(path), 'the dump')
  const numbers = numbersIn(path)
  t.ok(numbers.length > 10_000 && numbers.length < count, `${numbers.length} packets`)
  t.same(numbers, range(count - numbers.length, count), 'the last ones, without a gap')
  t.same([dump.packets, dump.overwritten, dump.lost], [numbers.length, 0, 0])
})
