/** A file that was written and has its name. In JSON its times are strings of decimal digits. */
export interface CompleteFile {
  /** Its path. */
  readonly path: string
  /** Packets in it. */
  readonly packets: number
  /** Bytes of these packets, as captured, with their VLAN tags. */
  readonly packetBytes: number
  /** Bytes of the file. */
  readonly bytes: number
  /** The earliest time of its packets, nanoseconds since 1970-01-01 UTC; 0 if it has none. */
  readonly firstTimestamp: bigint
  /** The latest time of its packets. */
  readonly lastTimestamp: bigint
}
