import type { Compression } from '../index.js'

/** The unit of -C, as tcpdump has it. */
export const fileSizeUnit = 1_000_000

/** The format that a file's name stands for; compression may be named behind it. */
export const formatOf = (file: string) => (/\.(pcap|cap)(\.(gz|zst))?$/.test(file) ? 'pcap' : 'pcapng')

/** The compression that the end of a file's name stands for. */
export function compressionOf(file: string): Compression | undefined {
  const ending = /\.(gz|zst)$/.exec(file)?.[1]
  if (ending === undefined) return undefined
  return ending === 'gz' ? 'gzip' : 'zstd'
}
