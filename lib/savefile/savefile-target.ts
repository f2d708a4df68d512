import type { Writable } from 'node:stream'
import { CaptureError, optionError } from '../errors.js'
import { native } from './native.js'

/** Where the bytes of a savefile go. One call at a time. @internal */
export interface SavefileTarget {
  /** Whether `abandon()` may be called while `write()` is in progress. */
  readonly concurrent: boolean
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
  /** Called after an error; no other call follows. What was written stays. */
  abandon(): Promise<void>
  /** Nobody needs what was written; no other call follows. */
  discard(): Promise<void>
}

/** Begins a file, which has a hidden name until it is closed (native/core/savefile/file_set.h). @internal */
export async function openTarget(path: string): Promise<SavefileTarget> {
  const addon = native()
  const file = await addon.openSavefileFile(path)
  return {
    concurrent: false,
    write: (bytes) => addon.writeSavefileFile(file, bytes),
    close: () => addon.completeSavefileFile(file),
    abandon: () => addon.abandonSavefileFile(file),
    discard: () => addon.discardSavefileFile(file),
  }
}

/** @throws CaptureError `ERR_OPTION`. @internal */
export function checkStream(stream: unknown, label: string, expected = 'a writable stream'): Writable {
  const value = stream as Partial<Writable> | null
  const writable =
    typeof value === 'object' &&
    typeof value?.write === 'function' &&
    typeof value.on === 'function' &&
    typeof value.end === 'function'
  if (!writable) throw optionError(label, expected, stream)
  return value as Writable
}

/** Writes into a stream, and ends it when it is closed. @internal */
export function streamTarget(stream: Writable): SavefileTarget {
  let failed: Error | undefined
  // Of the write in progress: a Transform that is destroyed does not call back for it.
  let fail = (_: Error) => {}
  stream.on('error', (error) => {
    failed ??= error
    fail(error)
  })
  stream.on('close', () => fail(failed ?? new Error('the stream was closed before everything was written')))
  return {
    concurrent: true,
    async write(bytes) {
      if (failed) throw failed
      await new Promise<void>((resolve, reject) => {
        fail = reject
        stream.write(bytes, (error) => (error ? reject(error) : resolve()))
      })
    },
    close() {
      return new Promise((resolve, reject) => {
        stream.once('error', reject)
        stream.end(() => (failed ? reject(fromSystem(failed)) : resolve()))
      })
    },
    async abandon() {
      stream.destroy()
    },
    async discard() {
      stream.destroy()
    },
  }
}

/** Converts an error from Node to a CaptureError. @internal */
export function fromSystem(error: unknown): CaptureError {
  if (error instanceof CaptureError) return error
  const { code, errno, syscall, message } = error as NodeJS.ErrnoException
  const denied = code === 'EACCES' || code === 'EPERM'
  return new CaptureError(denied ? 'ERR_PERMISSION' : 'ERR_SYSTEM', message, {
    errno: errno === undefined ? undefined : Math.abs(errno),
    syscall,
    cause: error,
  })
}
