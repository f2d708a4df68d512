// Alone: it fills ring and overflow memory, and then counts every frame.
import { Capture } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { numbersIn } from '../../helpers/wireshark.js'
import { sendInSteps } from '../support/in-steps.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sequenceOf } from '../support/send.js'
import { patience, waitUntil } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const MiB = 1 << 20

const old = 40_000
const recorded = 4000
/** Number of 1000-byte frames that take 3 of the 12 blocks the capture thread keeps free. */
const step = 700

for (const { what, options } of [
  { what: 'ring', options: { ring: { memory: 8 * MiB, blockSize: MiB / 4 }, overflow: { memory: 4 * MiB } } },
  {
    what: 'ring, classic',
    options: { ring: { memory: 8 * MiB, blockSize: MiB / 4, table: 'classic' }, overflow: { memory: 4 * MiB } },
  },
  {
    what: 'ring without overflow memory',
    options: { ring: { memory: 8 * MiB, blockSize: MiB / 4 }, overflow: { memory: 0 } },
  },
  {
    what: 'two rings',
    options: { ring: { memory: 8 * MiB, blockSize: MiB / 4, count: 2 }, overflow: { memory: 4 * MiB } },
  },
  { what: 'pcap', options: { backend: 'pcap', ring: { memory: 4 * MiB }, overflow: { memory: 8 * MiB } } },
] as const) {
  for (const reads of [false, true]) {
    t.test(
      `${what}: a recording has every packet from its begin where nobody has read${reads ? ', and reads then' : ''}`,
      async (t) => {
        const path = folder.fresh()
        await using capture = await Capture.open({ interfaces: 'eth0', ...options })
        // Far more than ring and overflow memory hold.
        await send({ interface: 'eth0', count: old, size: 1000, rate: 100_000 })
        await waitUntil(
          () => capture.stats().received === old,
          'all frames to be counted',
          20_000,
          () => capture.stats(),
        )
        const before = capture.stats()
        t.ok(before.droppedByOverflow + before.droppedByRing > 0, 'the memory is used up')

        const recording = await capture.record({ path })
        const mine: number[] = []
        let newest = 0
        const read = async () => {
          for await (const chunk of capture) {
            chunk.forEach((packet) => mine.push(sequenceOf(packet.data) as number))
            newest = Math.max(newest, mine.at(-1) as number)
          }
        }
        // No loss, however little CPU time the recorder and JavaScript get.
        const isWritten = () => recording.stats().waiting === 0
        await sendInSteps(capture, { interface: 'eth0', count: recorded, start: old, size: 1000 }, step, isWritten)
        const reading = reads ? read() : undefined
        const later = { interface: 'eth0', count: recorded, start: old + recorded, size: 1000 }
        await sendInSteps(capture, later, step, (next) => isWritten() && (!reads || newest >= next - 1))
        const stats = await recording.stop()
        await capture.stop()
        await (reading ?? read())
        const ledger = capture.stats()
        await capture.close()

        const written = await numbersIn(path)
        t.equal(stats.dropped, 0)
        t.equal(stats.packets, written.length)
        t.same(
          written.filter((number) => number >= old),
          range(old, old + 2 * recorded),
          'it has every packet from its begin',
        )
        const all = new Set([...mine, ...written])
        t.equal(ledger.received, old + 2 * recorded)
        t.equal(ledger.delivered, all.size, 'what anybody got')
        t.same(imbalances(ledger), [], 'and everything else is counted as lost')
        t.equal(new Set(mine).size, mine.length, 'no packet twice')
        if (reads)
          t.ok(mine.filter((number) => number >= old + recorded).length === recorded, 'and JavaScript all of the later')
      },
    )
  }
}
