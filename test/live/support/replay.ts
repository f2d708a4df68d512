import { spawnSync } from 'node:child_process'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { drainBacklog } from './backlog.js'
import { assertInside } from './namespace.js'
import { tool } from './tools.js'

/** A frame of any kind. */
export interface RawFrame {
  bytes: Uint8Array
  /** EtherType passed to the kernel. */
  type: number
}

/**
 * Sends frames unchanged on one interface, blocking the JavaScript thread.
 *
 * @param rate Frames per second; 0: as fast as possible
 * @throws Error unless the kernel has accepted every frame
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
    env: witnessEnvironment(),
  })
  if (status !== 0) throw new Error(`replay failed (${status ?? signal}): ${error?.message ?? stderr.trim()}`)
  drainBacklog()
}
