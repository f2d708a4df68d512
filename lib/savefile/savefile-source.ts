import { constants, open as openDescriptor } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { maxName } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import type { NativeSavefile } from './native.js'

/** What {@link openFile} reads: a path, a `file:` URL, or a stream of bytes. */
export type SavefileSource = string | URL | Readable | AsyncIterable<Uint8Array>

/** An open source. @internal */
export interface OpenedSource {
  /** Prefix of messages about the content; `''` for streams. */
  readonly label: string
  /** Size in bytes, as stored; `undefined` if it is not known. */
  readonly size: number | undefined
  /** A regular file, which native code reads; `undefined` if `stream` is set. */
  readonly file: FileHandle | undefined
  readonly stream: AsyncIterable<Uint8Array> | undefined
}

/** @throws CaptureError `ERR_OPTION`, `ERR_SYSTEM`, `ERR_PERMISSION`. @internal */
export async function openSource(source: SavefileSource): Promise<OpenedSource> {
  const path = source instanceof URL || typeof source === 'string' ? source : undefined
  if (path === undefined) {
    const iterable = typeof source === 'object' && source !== null && Symbol.asyncIterator in source
    if (!iterable) throw optionError('source', 'a path, a file: URL, a Readable or an AsyncIterable of bytes', source)
    return { label: '', size: undefined, file: undefined, stream: source as AsyncIterable<Uint8Array> }
  }
  if (typeof path === 'string' && path.length >= maxName) throw optionError('source', 'the path of a file', path)
  const label = `${path}: `
  try {
    // Non-blocking: otherwise open(2) of a FIFO would block a thread of libuv's shared pool until a writer opens it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await file.stat()
      if (stats.isFile()) return { label, size: stats.size, file, stream: undefined }
      if (stats.isDirectory()) {
        throw Object.assign(new Error('EISDIR: illegal operation on a directory'), { errno: -21, syscall: 'read' })
      }
      const stream = stats.isFIFO() ? await fifoStream(path) : (await open(path, 'r')).createReadStream(bigReads)
      await file.close()
      return { label, size: undefined, file: undefined, stream }
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    throw systemError(label, error)
  }
}

/** Bytes per read of a device. */
const bigReads = { highWaterMark: 1 << 18 }

/**
 * Reads a FIFO through epoll(7), as sockets are read, so that a slow or missing writer blocks no thread of the pool.
 */
async function fifoStream(path: string | URL): Promise<Readable> {
  const fd = await promisify(openDescriptor)(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return new Socket({ fd, readable: true, writable: false })
}

function systemError(label: string, error: unknown): unknown {
  const { errno, syscall, message, code } = error as NodeJS.ErrnoException
  if (typeof errno !== 'number') {
    // Argument errors of fs: a path with a NUL character, or a URL that is not a file: URL.
    if (error instanceof TypeError || code?.startsWith('ERR_')) {
      return new CaptureError('ERR_OPTION', `source must be the path of a file: ${message}`, { cause: error })
    }
    return error
  }
  const denied = code === 'EACCES' || code === 'EPERM'
  return new CaptureError(denied ? 'ERR_PERMISSION' : 'ERR_SYSTEM', `${label}${message}`, {
    errno: -errno,
    syscall,
    cause: error,
  })
}

/**
 * Passes the bytes of a stream to the reader, at the rate at which it takes them.
 *
 * @internal
 */
export class Pump {
  readonly #stream: AsyncIterable<Uint8Array>
  readonly #reader: NativeSavefile
  #iterator: AsyncIterator<Uint8Array> | undefined
  #room: (() => void) | undefined
  /** Whether the stream has been asked for bytes and has not brought them yet. */
  #asked = false
  #ending: Promise<void> | undefined
  /** The error of the stream, if it failed. All bytes before the error have been passed to the reader. */
  failure: { error: unknown } | undefined

  constructor(stream: AsyncIterable<Uint8Array>, reader: NativeSavefile) {
    this.#stream = stream
    this.#reader = reader
  }

  /** Settles at the end of the stream, never with an error. */
  async run(): Promise<void> {
    try {
      this.#iterator = this.#stream[Symbol.asyncIterator]()
      while (!this.#ending) {
        const { done, value } = await this.#ask(this.#iterator)
        if (done) break
        if (!(value instanceof Uint8Array)) {
          void this.stop()
          throw optionError('source', 'a stream of bytes (Uint8Array)', value)
        }
        await this.#bring(value)
      }
    } catch (error) {
      this.failure = { error }
    }
    this.#reader.feedEnd()
  }

  /** What the iterator brings; after its end, or an error, nothing is asked of it any more. */
  async #ask(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    let ended = true
    this.#asked = true
    try {
      const result = await iterator.next()
      ended = result.done === true
      return result
    } finally {
      this.#asked = false
      if (ended) this.#iterator = undefined
    }
  }

  async #bring(bytes: Uint8Array): Promise<void> {
    for (let at = 0; !this.#ending; ) {
      at += this.#reader.feed(bytes, at)
      if (at >= bytes.length) return
      await new Promise<void>((resolve) => {
        this.#room = resolve
      })
    }
  }

  /** Called when the reader may have room again. */
  wake(): void {
    const room = this.#room
    this.#room = undefined
    room?.()
  }

  /**
   * Stops passing bytes and destroys the stream. Resolves when an iterable has returned, as when a `for await` loop is
   * left. One that has not brought what it was asked for is not waited for, because it may never do that.
   */
  stop(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    this.wake()
    if (this.#stream instanceof Readable) {
      this.#stream.destroy()
      return
    }
    const iterator = this.#iterator
    // After this call has returned: the source may stop the reading itself.
    const ended = Promise.resolve()
      .then(() => iterator?.return?.())
      .catch(() => {})
    // A generator that has something to bring needs some turns for it.
    if (this.#asked) await new Promise<void>((resolve) => setImmediate(resolve))
    if (!this.#asked) await ended
  }
}
