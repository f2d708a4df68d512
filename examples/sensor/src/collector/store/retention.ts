/** Which files are removed: those that were stored first, of all sensors. */
import type { Segment } from './segment.js'

export interface RetentionLimits {
  /** Bytes of all files at most. Default: no limit. */
  readonly maxBytes?: number | undefined
  /** Milliseconds that a batch is kept at most, from when it was stored. Default: no limit. */
  readonly maxAge?: number | undefined
  /** Bytes of the disk to leave free. */
  readonly minFree: number
}

export interface Removal {
  readonly segment: Segment
  readonly files: { sequence: number; bytes: number; stored: number }[]
}

/** The files to be removed so that `excess` bytes are gone, and all those that were stored before `deadline`. */
export function planRemovals(segments: Iterable<Segment>, excess: number, deadline: number): Removal[] {
  const heads = [...segments]
    .map((segment) => ({ segment, oldest: segment.oldest, files: undefined as Removal['files'] | undefined, taken: 0 }))
    .filter(({ oldest }) => oldest !== undefined)
    .sort((a, b) => a.oldest! - b.oldest!)
  let missing = excess
  const touched = new Set<(typeof heads)[number]>()
  while (heads.length > 0) {
    const head = heads.shift()!
    head.files ??= head.segment.files()
    const next = heads[0]?.oldest ?? Number.POSITIVE_INFINITY
    let file = head.files[head.taken]
    for (; file && file.stored <= next; file = head.files[head.taken]) {
      if (missing <= 0 && file.stored >= deadline) return removalsOf(touched)
      missing -= file.bytes
      head.taken++
      touched.add(head)
    }
    if (!file) continue
    head.oldest = file.stored
    const at = heads.findIndex(({ oldest }) => oldest! > head.oldest!)
    heads.splice(at < 0 ? heads.length : at, 0, head)
  }
  return removalsOf(touched)
}

function removalsOf(
  touched: Iterable<{ segment: Segment; files: Removal['files'] | undefined; taken: number }>,
): Removal[] {
  return [...touched].map(({ segment, files, taken }) => ({ segment, files: files!.slice(0, taken) }))
}
