import type { CaptureOptions } from 'ringtap'
import { tables } from './tables.js'

/** A way in which packets reach a capture; all have the same contract. */
export interface Way {
  readonly way: 'ebpf' | 'classic' | 'pcap'
  /** Options for `Capture.open()`. */
  readonly options: Pick<CaptureOptions, 'ring' | 'backend'>
  /** Reason why it is not available here, for tap's `skip`; false if it is. */
  readonly skip: string | false
  /** Whether it reports the direction of every packet. */
  readonly directions: boolean
}

/** The ring with each form of its interface table, and libpcap. */
export const ways: readonly Way[] = [
  ...tables.map(({ table, skip }) => ({ way: table, options: { ring: { table } }, skip, directions: true })),
  { way: 'pcap', options: { backend: 'pcap' }, skip: false, directions: false },
]

/** For tests in which the form of the interface table does not matter. */
export const backends = ['ring', 'pcap'] as const
