import type { Chunk } from '../index.js'
import { LineBuffer } from './line-buffer.js'
import { write } from './output.js'
import type { PacketLines } from './packet-line.js'

/**
 * Prints the packets of chunks, up to `count` of them: one write for the lines of a chunk, and the next chunk when the
 * output has taken it.
 *
 * @param before Awaited before the packets of a chunk.
 * @throws OutputClosed
 */
export async function printPackets(
  chunks: AsyncIterable<Chunk>,
  lines: PacketLines,
  count = Number.POSITIVE_INFINITY,
  before?: (chunk: Chunk) => Promise<void>,
): Promise<void> {
  const out = new LineBuffer()
  let left = count
  for await (const chunk of chunks) {
    await before?.(chunk)
    chunk.forEach((packet) => {
      if (left <= 0) return
      left--
      lines.write(packet, out)
    })
    await write(out.take())
    if (left <= 0) return
  }
}
