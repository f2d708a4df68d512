import { checkGroup } from '../arguments.js'
import type { Chunk } from '../packets/chunk.js'
import type { EncodeOptions } from '../packets/encode-options.js'
import { packingOf } from './compression.js'
import { PacketEncoder } from './packet-encoder.js'
import { normaliseForm } from './savefile-form.js'

/** See {@link Chunk.encode}. The packets are copied before this returns. @internal */
export async function encodeChunk(chunk: Chunk, given: EncodeOptions | undefined): Promise<Uint8Array> {
  const { format, compress } = checkGroup(given, 'options', ['format', 'compress'])
  const packing = packingOf(compress, 'compress')
  const encoder = new PacketEncoder(normaliseForm({ format }), undefined)
  encoder.append(chunk, undefined)
  encoder.end(chunk.firstTimestamp, chunk.lastTimestamp)
  return encoder.native.pack(packing)
}
