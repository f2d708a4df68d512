import type { ChunkMemory } from './chunk-memory.js'
import { Record } from './packet-record.js'

/** Calls `visit` with the start and end offset of each comment; returns the offset at which the last one's padding ends. */
function walk(memory: ChunkMemory, offset: number, visit: (start: number, end: number) => void): number {
  const { u32, u16 } = memory
  const data = offset + (u16[(offset + Record.DATA) >>> 1] as number)
  let at = (data + (u32[(offset + Record.CAPTURED) >>> 2] as number) + 3) & ~3
  const count = u32[at >>> 2] as number
  at += 4
  for (let i = 0; i < count; i++) {
    const length = u32[at >>> 2] as number
    visit(at + 4, at + 4 + length)
    at = (at + 4 + length + 3) & ~3
  }
  return at
}

/** The comments of a record that has `Status.COMMENTS` (native/core/block/block.h, kStatusComments). @internal */
export function commentsAt(memory: ChunkMemory, offset: number): readonly string[] {
  const decoder = new TextDecoder()
  const comments: string[] = []
  walk(memory, offset, (start, end) => comments.push(decoder.decode(memory.u8.subarray(start, end))))
  return comments
}

/** The offset at which a record with `Status.COMMENTS` ends. @internal */
export function commentsEnd(memory: ChunkMemory, offset: number): number {
  return walk(memory, offset, () => {})
}
