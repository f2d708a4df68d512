import type { Chunk } from '../index.js'
import { write } from './output.js'
import type { PacketLines } from './packet-line.js'

/** Long dumps are written in pieces of about this many characters, so that memory stays bounded. */
const pieceSize = 1 << 18

/**
 * Prints the packets of chunks, up to `count` of them: one write for the lines of a chunk, and the next chunk when the
 * output has taken it.
 *
 * @throws OutputClosed
 */
export async function printPackets(
  chunks: AsyncIterable<Chunk>,
  lines: PacketLines,
  count = Number.POSITIVE_INFINITY,
): Promise<void> {
  let left = count
  for await (const chunk of chunks) {
    let text = ''
    const pieces: string[] = []
    chunk.forEach((packet) => {
      if (left <= 0) return
      left--
      text += lines.format(packet)
      if (text.length < pieceSize) return
      pieces.push(text)
      text = ''
    })
    for (const piece of pieces) await write(piece)
    await write(text)
    if (left <= 0) return
  }
}
