// Inconsistent ring records, which this test corrupts in the ring's memory before the capture reads them.
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { Capture, type CaptureError, type LossEvent } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'

addVeth('eth0', 'far0')

/** The address of this process's only ring mapping. */
function ringAddress(): number {
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const rings = lines.filter((line) => line.includes('socket:'))
  if (rings.length !== 1) throw new Error(`${rings.length} rings`)
  return Number.parseInt(rings[0] as string, 16)
}

/** Corrupts record `number` (from 0) in the first block of the ring, so that its packet ends beyond the block. */
function spoil(number: number): void {
  // Offsets of linux/if_packet.h: tpacket_block_desc.hdr.bh1.offset_to_first_pkt, tpacket3_hdr.tp_next_offset, tp_snaplen.
  const memory = openSync('/proc/self/mem', 'r+')
  const block = ringAddress()
  const word = new Uint32Array(1)
  const read = (at: number) => {
    readSync(memory, word, 0, 4, at)
    return word[0] as number
  }
  let record = block + read(block + 16)
  for (let i = 0; i < number; i++) record += read(record)
  word[0] = 0x7fffffff
  writeSync(memory, word, 0, 4, record + 12)
  closeSync(memory)
}

for (const { table, skip } of tables) {
  t.test(`records that cannot be read count as malformed, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: 'eth0',
      direction: 'out',
      ring: { table, memory: 1 << 20 },
      // The block stays open for longer than the test needs to corrupt its records.
      chunk: { maxDelay: 3000 },
      overflow: { memory: 0 },
    })
    const warnings: CaptureError[] = []
    const losses: LossEvent[] = []
    capture.on('warning', (warning) => warnings.push(warning))
    capture.on('loss', (loss) => losses.push(loss))
    sendSync({ interface: 'eth0', count: 100 })
    spoil(40)
    const seen: number[] = []
    const reading = (async () => {
      for await (const packet of capture.packets()) seen.push(sequenceOf(packet.data) as number)
    })()
    await capture.stop()
    await reading
    const stats = capture.stats()
    t.same(
      seen,
      Array.from({ length: 40 }, (_, i) => i),
      'those ahead of it arrive',
    )
    t.match(stats, { received: 100, delivered: 40, malformed: 60, droppedByRing: 0, droppedByOverflow: 0 })
    t.same(imbalances(stats), [], 'the ledger balances')
    const one = stats.interfaces.find(({ name }) => name === 'eth0')
    t.match(one, { delivered: 40, dropped: table === 'ebpf' ? 60 : undefined })
    t.match(warnings, [{ code: 'ERR_SYSTEM', message: /60 packets that could not be read/ }])
    t.match(losses, [
      { level: 'critical', lost: 60, received: 100, ratio: 0.6, causes: { malformed: 60, droppedByRing: 0 } },
    ])
    await capture.close()
    t.same(imbalances(capture.stats()), [])
  })
}
