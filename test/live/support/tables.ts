import { checkCapture } from 'ringtap'

/** The forms of the interface table, each with the reason why it is not available here, for tap's `skip`. */
export const tables: readonly { table: 'ebpf' | 'classic'; skip: string | false }[] = [
  { table: 'ebpf', skip: checkCapture().ebpf ? false : 'eBPF is not for this process: run as root to test that form' },
  { table: 'classic', skip: false },
]
