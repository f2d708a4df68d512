import type { ChunkMemory } from './chunk-memory.js'
import { Record } from './packet-record.js'

/** The code of a comment among the options of pcapng. */
const commentCode = 1

/**
 * Calls `visit` with the code, start and end offset of each option; returns the offset at which the last one's padding ends.
 */
function walk(memory: ChunkMemory, offset: number, visit: (code: number, start: number, end: number) => void): number {
  const { u32, u16 } = memory
  const data = offset + (u16[(offset + Record.DATA) >>> 1] as number)
  let at = (data + (u32[(offset + Record.CAPTURED) >>> 2] as number) + 3) & ~3
  const count = u32[at >>> 2] as number
  at += 4
  for (let i = 0; i < count; i++) {
    const head = u32[at >>> 2] as number
    const length = head & 0xffff
    visit(head >>> 16, at + 4, at + 4 + length)
    at = (at + 4 + length + 3) & ~3
  }
  return at
}

/** The comments of a record that has `Status.OPTIONS` (native/core/block/record_layout.h, kStatusOptions). @internal */
export function commentsAt(memory: ChunkMemory, offset: number): readonly string[] {
  const decoder = new TextDecoder()
  const comments: string[] = []
  walk(memory, offset, (code, start, end) => {
    if (code === commentCode) comments.push(decoder.decode(memory.u8.subarray(start, end)))
  })
  return comments
}

/** The offset at which a record with `Status.OPTIONS` ends. @internal */
export function commentsEnd(memory: ChunkMemory, offset: number): number {
  return walk(memory, offset, () => {})
}
