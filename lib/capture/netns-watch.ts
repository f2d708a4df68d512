import { stat } from 'node:fs/promises'
import { CaptureError } from '../errors.js'
import type { NativeCapture } from './native.js'

/** Errors of stat(2) that say that the path leads nowhere. Others, such as EACCES, say nothing about the namespace. */
const absent: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'ESRCH']

/**
 * Notices that a path ceases to lead to the network namespace of a capture: because the namespace was deleted, or
 * because another one was made at the same path. The kernel announces neither, and the capture's sockets keep the
 * namespace alive.
 *
 * @internal
 */
export class NetnsWatch {
  readonly #path: string
  readonly #identity: NonNullable<NativeCapture['netns']>
  readonly #onLost: (warning: CaptureError) => void
  #looking = false
  #lost = false

  /** @param onLost Called once. */
  constructor(path: string, identity: NonNullable<NativeCapture['netns']>, onLost: (warning: CaptureError) => void) {
    this.#path = path
    this.#identity = identity
    this.#onLost = onLost
  }

  /** Compares the path with the namespace, on a thread of the pool. */
  async look(): Promise<void> {
    if (this.#looking || this.#lost) return
    this.#looking = true
    this.#lost = !(await this.#leadsThere())
    this.#looking = false
    if (!this.#lost) return
    const text =
      `netns ${this.#path} does not lead to the network namespace of this capture any more: if it was deleted, ` +
      'only this capture keeps it and its interfaces alive, until it is closed'
    this.#onLost(new CaptureError('ERR_OPTION', text, { option: 'netns' }))
  }

  async #leadsThere(): Promise<boolean> {
    try {
      const { dev, ino } = await stat(this.#path, { bigint: true })
      return dev === this.#identity.device && ino === this.#identity.inode
    } catch (error) {
      return !absent.includes((error as NodeJS.ErrnoException).code)
    }
  }
}
