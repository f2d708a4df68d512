import { Capture, type CaptureOptions } from 'ringtap'
import { captureDuring } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send } from '../support/send.js'
import { tables } from '../support/tables.js'
import { block, waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

const KiB = 1 << 10
const MiB = 1 << 20

t.test('the layout of the ring follows from the options', async (t) => {
  const ringOf = async (options: CaptureOptions) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ...options })
    const { memory, blockSize, blockCount, retireTime, count } = capture.stats().ring
    await capture.close()
    t.equal(memory, blockSize * blockCount)
    t.equal(count, options.ring?.count ?? 1)
    return [memory, blockSize, blockCount, retireTime]
  }
  t.same(await ringOf({}), [64 * MiB, MiB, 64, 20], 'the defaults')
  t.same(await ringOf({ ring: { memory: 16 * MiB } }), [16 * MiB, 256 * KiB, 64, 20], 'smaller blocks, for the time')
  t.same(await ringOf({ ring: { memory: 8 * MiB } }), [8 * MiB, 256 * KiB, 32, 33], 'then a longer delay')
  t.same(await ringOf({ ring: { memory: MiB } }), [MiB, 256 * KiB, 4, 334])
  t.same(await ringOf({ ring: { maxStall: 100 } }), [64 * MiB, MiB, 64, 20])
  t.same(await ringOf({ ring: { maxStall: 2000 } }), [64 * MiB, 512 * KiB, 128, 20])
  t.same(await ringOf({ ring: { maxStall: 20_000 } }), [64 * MiB, 256 * KiB, 256, 79])
  t.same(await ringOf({ ring: { maxStall: 2000 }, chunk: { maxDelay: 20 } }), [64 * MiB, 512 * KiB, 128, 20])
  t.same(await ringOf({ ring: { blockSize: 4 * MiB } }), [64 * MiB, 4 * MiB, 16, 67], 'a block size is kept')
  t.same(await ringOf({ chunk: { maxDelay: 1 } }), [64 * MiB, 256 * KiB, 256, 1], 'a delay is kept')
  t.same(await ringOf({ chunk: { maxDelay: 500 } }), [64 * MiB, MiB, 64, 500])
  t.same(await ringOf({ ring: { memory: MiB }, chunk: { maxDelay: 3000 } }), [MiB, 256 * KiB, 4, 3000], 'blocks enough')
  t.same(await ringOf({ ring: { memory: 5 * MiB + 1 } }), [5 * MiB, 256 * KiB, 20, 53], 'whole blocks')
})

for (const { table, skip } of tables) {
  for (const options of [{}, { ring: { memory: MiB } }, { ring: { maxStall: 1500 } }] as CaptureOptions[]) {
    t.test(
      `a program blocked for ring.maxStall loses nothing, ${JSON.stringify(options)}, ${table}`,
      { skip },
      async (t) => {
        const { ring } = options
        const { packets, stats } = await captureDuring(
          // The ring alone must hold the packets: no overflow memory.
          { interfaces: 'eth0', direction: 'out', ring: { ...ring, table }, overflow: { memory: 0 } },
          async (capture) => {
            const sending = send({ interface: 'eth0', count: 200, rate: 100 })
            await waitUntil(() => capture.stats().received > 0, 'the first packet')
            // The kernel's block timeout is exact to the millisecond; 150 ms are a margin for this process to be woken.
            block((ring?.maxStall ?? 1000) - 150)
            await sending
          },
        )
        t.same(
          packets.map(({ number }) => number),
          Array.from({ length: 200 }, (_, i) => i),
        )
        t.equal(stats.droppedByRing, 0)
        t.same(imbalances(stats), [])
      },
    )
  }
}
