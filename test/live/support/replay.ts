import { spawnSync } from 'node:child_process'
import { drainBacklog } from './backlog.js'
import { assertInside } from './namespace.js'
import { tool } from './tools.js'

/** One frame of any kind. */
export interface RawFrame {
  bytes: Uint8Array
  /** The EtherType that the kernel is told. */
  type: number
}

/**
 * Sends frames as they are, out of one interface, while JavaScript stands still.
 *
 * @param rate Frames a second; 0: as fast as it goes
 * @throws Error unless the kernel has taken every one
 */
export function replaySync(interfaceName: string, frames: readonly RawFrame[], rate = 0): void {
  assertInside()
  const input = Buffer.concat(
    frames.flatMap(({ bytes, type }) => {
      const head = Buffer.alloc(8)
      head.writeUInt32LE(bytes.length, 0)
      head.writeUInt16LE(type, 4)
      return [head, bytes]
    }),
  )
  const { status, signal, stderr, error } = spawnSync(tool('replay'), [interfaceName, String(rate)], {
    input,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`replay failed (${status ?? signal}): ${error?.message ?? stderr.trim()}`)
  drainBacklog()
}
