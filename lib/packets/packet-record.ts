/**
 * Offsets of the fields of a packet's record, in bytes from the record's start: the kernel's tpacket3_hdr and
 * sockaddr_ll (linux/if_packet.h), as native/core/block/block.h describes them. Numbers are in the machine's byte
 * order.
 *
 * @internal
 */
export const Record = {
  CAPTURED: 12, // u32
  ORIGINAL: 16, // u32
  STATUS: 20, // u32, TP_STATUS_*
  DATA: 24, // u16, offset of the packet's bytes from the record's start
  LINK_TYPE: 28, // u32, with Status.LINK_TYPE
  VLAN_TCI: 32, // u32
  VLAN_TPID: 36, // u16
  TIMESTAMP: 40, // u64, nanoseconds since the epoch
  INTERFACE: 52, // i32
  HARDWARE: 56, // u16, ARPHRD_*
  PACKET_TYPE: 58, // u8, PACKET_*
} as const

/**
 * Values of `Record.PACKET_TYPE` in addition to the kernel's PACKET_*, for sources without the addressee (block.h).
 *
 * @internal
 */
export const PacketType = {
  OUTGOING: 4,
  /** Incoming; its addressee is not known. */
  INCOMING: 0xfe,
  UNKNOWN: 0xff,
} as const

/** Bits of `Record.STATUS`: TP_STATUS_* of linux/if_packet.h, and two that ringtap defines. @internal */
export const Status = {
  /** The kernel has handed the packet over: set in every record of a packet socket's ring, and in no other. */
  USER: 1 << 0,
  CHECKSUM_NOT_READY: 1 << 3,
  VLAN_VALID: 1 << 4,
  VLAN_TPID_VALID: 1 << 6,
  CHECKSUM_VALID: 1 << 7,
  /** `Record.LINK_TYPE` holds the link type (native/core/block/block.h). */
  LINK_TYPE: 1 << 24,
  /** Options of pcapng follow the packet's bytes (native/core/block/record_layout.h, kStatusOptions). */
  OPTIONS: 1 << 25,
  TIME_SOFTWARE: 1 << 29,
  TIME_SYSTEM_HARDWARE: 1 << 30,
  TIME_RAW_HARDWARE: 1 << 31,
} as const

/**
 * The index at the start of a chunk's memory (native/core/block/block.h): 32 bits for each packet, with the record's
 * place and its captured length. The entries are adjacent in memory, so reading lengths does not touch the records.
 *
 * @internal
 */
export const Index = {
  /** Position of the first entry, in units of 32 bits. */
  FIRST: 12,
  /** Width of the captured length in an entry, its low bits. */
  LENGTH_BITS: 13,
  /** An entry with this length has a packet of at least that many bytes: the record has the length. */
  MAX_LENGTH: (1 << 13) - 1,
  /** The high bits of an entry are the record's offset in the memory, in units of 2^UNIT bytes. */
  UNIT: 3,
} as const
