import { spawnSync } from 'node:child_process'
import type { Compression } from 'ringtap'

/**
 * Unpacks bytes with gzip or zstd, the programs that the formats belong to.
 *
 * @param endsMidway The bytes may end in the middle: returns what can be unpacked.
 */
export function unpack(bytes: Uint8Array, compress: Compression, { endsMidway = false } = {}): Uint8Array {
  const { status, error, stdout, stderr } = spawnSync(compress, ['-dc'], { input: bytes, maxBuffer: 1 << 30 })
  if (error || (status !== 0 && !endsMidway)) throw error ?? new Error(`${compress}: ${stderr}`)
  return stdout
}
