/**
 * Where the parts of a packet's record stand in a chunk's memory, in bytes from its start: the kernel's tpacket3_hdr and
 * sockaddr_ll (linux/if_packet.h), as native/core/block/block.h describes them. Numbers are in the machine's own byte order.
 *
 * @internal
 */
export const Record = {
  CAPTURED: 12, // u32
  ORIGINAL: 16, // u32
  STATUS: 20, // u32, TP_STATUS_*
  DATA: 24, // u16, where the bytes start
  LINK_TYPE: 28, // u32, with Status.LINK_TYPE
  VLAN_TCI: 32, // u32
  VLAN_TPID: 36, // u16
  TIMESTAMP: 40, // u64, nanoseconds since the epoch
  INTERFACE: 52, // i32
  HARDWARE: 56, // u16, ARPHRD_*
  PACKET_TYPE: 58, // u8, PACKET_*
} as const

/** What sources that know no more write for PACKET_TYPE (native/core/block/block.h). @internal */
export const PacketType = {
  OUTGOING: 4,
  /** It came in; to whom it was addressed is not known. */
  INCOMING: 0xfe,
  UNKNOWN: 0xff,
} as const

/** TP_STATUS_* of linux/if_packet.h, and some of our own. @internal */
export const Status = {
  CHECKSUM_NOT_READY: 1 << 3,
  VLAN_VALID: 1 << 4,
  VLAN_TPID_VALID: 1 << 6,
  CHECKSUM_VALID: 1 << 7,
  /** The link type stands in the record (native/core/block/block.h). */
  LINK_TYPE: 1 << 24,
  /** Comments stand behind the packet's bytes (native/core/block/block.h). */
  COMMENTS: 1 << 25,
} as const

/**
 * The index at the start of a chunk's memory, as native/core/block/block.h describes it: an entry for each packet, of 32 bits.
 * It stands close together, where the records are far apart: what it tells need not be fetched from them.
 *
 * @internal
 */
export const Index = {
  /** Of the first entry, in entries. */
  FIRST: 12,
  /** An entry's lower bits are the captured length; all of them set: at least that much. */
  LENGTH_BITS: 13,
  MAX_LENGTH: (1 << 13) - 1,
  /** log2 of the unit in which an entry's upper bits say where the record stands. */
  UNIT: 3,
} as const
