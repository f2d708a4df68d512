/**
 * Word offsets in the arrays of numbers shared with the addon; they mirror native/binding/util/layouts.h. They are
 * literals so that V8 folds them; test/native/layouts.test.ts compares them with the addon's. The layout of packets in
 * a chunk is in lib/packets/packet-record.ts.
 */

/** Metadata of a block, written by nextBlock(): doubles, except the timestamps, which are u64. @internal */
export const BlockMeta = {
  PACKETS: 0,
  BYTES: 1,
  EPOCH: 2,
  RING: 3,
  NUMBER: 4,
  STEADY: 5,
  LEASE: 6,
  FIRST_TIMESTAMP: 7,
  LAST_TIMESTAMP: 8,
  WORDS: 9,
} as const

/** Metadata of a chunk, written by nextChunk(): doubles, except the timestamps, which are u64. @internal */
export const ChunkMeta = {
  PACKETS: 0,
  BYTES: 1,
  POSITION: 2,
  LEASE: 3,
  FIRST_TIMESTAMP: 4,
  LAST_TIMESTAMP: 5,
  WORDS: 6,
} as const

/** Counters of a savefile writer: doubles, except the timestamps, which are u64. @internal */
export const WriterCounts = {
  PACKETS: 0,
  PACKET_BYTES: 1,
  BYTES: 2,
  FIRST_TIMESTAMP: 3,
  LAST_TIMESTAMP: 4,
  CLAMPED_TIMES: 5,
  WORDS: 6,
} as const

/** Counters of one interface in stats(): doubles; NaN if a counter is not available. @internal */
export const InterfaceRow = {
  INDEX: 0,
  GENERATION: 1,
  PRESENT: 2,
  SELECTED: 3,
  RECEIVED: 4,
  DELIVERED: 5,
  BYTES: 6,
  DROPPED_BY_RECORDER: 7,
  DROPPED: 8,
  UNSELECTED: 9,
  DUPLICATES: 10,
  BEYOND_CUTOFF: 11,
  SAMPLED_OUT: 12,
  TRUNCATED: 13,
  QUEUED: 14,
  DEVICE_DROPPED: 15,
  DEVICE_MISSED: 16,
  DEVICE_ERRORS: 17,
  DEVICE_OVERRUNS: 18,
  DEVICE_FIFO_ERRORS: 19,
  WORDS: 20,
} as const

/** The header of a loss sample: doubles. @internal */
export const LossHead = {
  PACKETS: 0,
  SETTLED: 1,
  PER_INTERFACE: 2,
  RECEIVED: 3,
  BY_RING: 4,
  BY_OVERFLOW: 5,
  MALFORMED: 6,
  WORDS: 7,
} as const

/** The entry of one interface in a loss sample; entries follow the header. @internal */
export const LossRow = { INDEX: 0, GENERATION: 1, RECEIVED: 2, LOST: 3, WORDS: 4 } as const

/** Descriptor of a frame for injectorSend(): unsigned 32-bit integers. @internal */
export const Frame = { LENGTH: 0, TAG: 1, REFUSAL: 2, PACKET: 3, WORDS: 4 } as const
