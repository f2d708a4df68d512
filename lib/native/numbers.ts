/**
 * Numbers that stand for words in calls of the addon; they mirror the enumerations of the same names in native/. They are
 * literals so that V8 folds them; test/native/layouts.test.ts compares them with the addon's.
 */

/** Why nextBlock() or nextChunk() returns no buffer (native/binding/util/layouts.h). @internal */
export const NoBlock = {
  /** None waits. */
  EMPTY: 0,
  /** Events have to be taken before the next one. */
  EVENTS_FIRST: 1,
  /** No more follow. */
  FINISHED: 2,
} as const

/** native/core/savefile/savefile_writer.h. @internal */
export const SavefileFormat = { PCAPNG: 0, PCAP: 1 } as const

/** native/core/savefile/packing.h. @internal */
export const Packing = { NONE: 0, GZIP: 1, ZSTD: 2 } as const

/** native/core/bpf/cbpf_program.h. @internal */
export const Direction = { BOTH: 0, IN: 1, OUT: 2 } as const

/** native/core/bpf/kernel_filter.h; `NONE` is never asked for. @internal */
export const FilterMode = { AUTO: 0, EBPF: 1, CLASSIC: 2, NONE: 3 } as const

/** native/core/bpf/slice.h. @internal */
export const Slice = { NONE: 0, L4: 1, HEADERS: 2 } as const

/** native/core/bpf/cutoff.h. @internal */
export const CutoffMark = { NORMAL: 0, BYPASS: 1, KEEP: 2 } as const

/** native/core/capture/ring/ring.h. @internal */
export const Sharing = { BY_FLOW: 0, BY_INTERFACE: 1, BY_PROCESSOR: 2 } as const

/** native/core/links/hardware_timestamps.h. @internal */
export const HardwareTimestamps = { UNKNOWN: 0, UNSUPPORTED: 1, OFF: 2, SOME: 3, ALL: 4 } as const

/**
 * Flags in the word `PACKET` of a frame, above the link type (native/binding/util/layouts.h). The word is 0 for a
 * frame that is not a Packet.
 *
 * @internal
 */
export const PacketFlag = { PACKET: 0x1_0000, CHECKSUM_PENDING: 0x2_0000 } as const
