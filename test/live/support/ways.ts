import type { CaptureOptions } from 'ringtap'
import { tables } from './tables.js'

/** A way that packets can come to a capture; all keep the same contract. */
export interface Way {
  readonly way: 'ebpf' | 'classic' | 'pcap'
  /** For `Capture.open()`. */
  readonly options: Pick<CaptureOptions, 'ring' | 'backend'>
  /** Why it cannot be tried here: for tap's `skip`, loud and counted. */
  readonly skip: string | false
  /** It tells the direction of every packet. */
  readonly directions: boolean
}

/** Our own ring with each form of its table, and libpcap. */
export const ways: readonly Way[] = [
  ...tables.map(({ table, skip }) => ({ way: table, options: { ring: { table } }, skip, directions: true })),
  { way: 'pcap', options: { backend: 'pcap' }, skip: false, directions: false },
]

/** Where the form of the ring's table does not matter. */
export const backends = ['ring', 'pcap'] as const
