/** What the debug levels 4 and 5 log: the contents of a batch, read back from what is forwarded. */
import { Readable } from 'node:stream'
import { type Batch, Dissector, formatTimestamp, hexdump, openFile, type Packet } from 'ringtap'
import { detail, type Log } from '../common/log.js'

const dissector = new Dissector()

/** Logs each chunk of a batch, and each packet, as far as the debug level has them. */
export async function describe(batch: Batch, log: Log): Promise<void> {
  if (!log.wants(detail.chunks)) return
  await using file = await openFile(Readable.from([Buffer.from(batch.bytes)], { objectMode: true }))
  for await (const chunk of file) {
    const names = new Map<string, number>()
    chunk.forEach(({ interface: { name } }) => names.set(name, (names.get(name) ?? 0) + 1))
    log.detail(detail.chunks, 'chunk', {
      at: formatTimestamp(chunk.firstTimestamp),
      packets: chunk.packetCount,
      bytes: chunk.byteLength,
      interfaces: Object.fromEntries(names),
    })
    if (log.wants(detail.packets)) chunk.forEach((packet) => describePacket(packet, log))
  }
}

function describePacket(packet: Packet, log: Log): void {
  dissector.dissect(packet)
  log.detail(detail.packets, `packet ${dissector.summary()}`, {
    at: formatTimestamp(packet.timestamp),
    interface: packet.interface.name,
    direction: packet.direction,
    length: packet.originalLength,
    captured: packet.capturedLength,
    dump: hexdump(packet.data, { squeeze: false }),
  })
}
