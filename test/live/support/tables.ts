import { checkCapture } from 'ringtap'

/** The forms of the interface table, and why one cannot be tried here: for tap's `skip`, loud and counted. */
export const tables: readonly { table: 'ebpf' | 'classic'; skip: string | false }[] = [
  { table: 'ebpf', skip: checkCapture().ebpf ? false : 'eBPF is not for this process: run as root to test that form' },
  { table: 'classic', skip: false },
]
