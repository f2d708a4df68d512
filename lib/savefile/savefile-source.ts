import { constants, open as openDescriptor } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { CaptureError, optionError } from '../errors.js'
import type { NativeSavefile } from './native.js'

/** What {@link openFile} reads: a path, a `file:` URL, or a stream of bytes. */
export type SavefileSource = string | URL | Readable | AsyncIterable<Uint8Array>

/** A source, opened. @internal */
export interface OpenedSource {
  /** Stands in front of what is said about the content; `''` for streams. */
  readonly label: string
  /** Bytes as stored, where that is known. */
  readonly size: number | undefined
  /** A regular file, which is read natively; or else: */
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
  const label = `${path}: `
  try {
    // Non-blocking: the open(2) of a FIFO waits for a writer, in one of the few threads that all of Node shares.
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

/** Devices are read as Node reads files. */
const bigReads = { highWaterMark: 1 << 18 }

/** A FIFO, read by epoll(7) as sockets are: a writer that is slow, or has yet to come, holds up nobody else. */
async function fifoStream(path: string | URL): Promise<Readable> {
  const fd = await promisify(openDescriptor)(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return new Socket({ fd, readable: true, writable: false })
}

function systemError(label: string, error: unknown): unknown {
  const { errno, syscall, message, code } = error as NodeJS.ErrnoException
  if (typeof errno !== 'number') {
    // What fs says of its argument: a path with a zero in it, a URL of another kind.
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
 * Brings a stream's bytes to the reader, as fast as it takes them.
 *
 * @internal
 */
export class Pump {
  readonly #stream: AsyncIterable<Uint8Array>
  readonly #reader: NativeSavefile
  #iterator: AsyncIterator<Uint8Array> | undefined
  #room: (() => void) | undefined
  #stopped = false
  /** What the stream failed with, where it did; then the bytes before it were brought. */
  failure: { error: unknown } | undefined

  constructor(stream: AsyncIterable<Uint8Array>, reader: NativeSavefile) {
    this.#stream = stream
    this.#reader = reader
  }

  /** Settles at the end of the stream, never with an error. */
  async run(): Promise<void> {
    try {
      this.#iterator = this.#stream[Symbol.asyncIterator]()
      while (!this.#stopped) {
        const { done, value } = await this.#iterator.next()
        if (done) break
        if (!(value instanceof Uint8Array)) {
          this.stop()
          throw optionError('source', 'a stream of bytes (Uint8Array)', value)
        }
        await this.#bring(value)
      }
    } catch (error) {
      this.failure = { error }
    }
    this.#reader.feedEnd()
  }

  async #bring(bytes: Uint8Array): Promise<void> {
    for (let at = 0; !this.#stopped; ) {
      at += this.#reader.feed(bytes, at)
      if (at >= bytes.length) return
      await new Promise<void>((resolve) => {
        this.#room = resolve
      })
    }
  }

  /** There may be room again. */
  wake(): void {
    const room = this.#room
    this.#room = undefined
    room?.()
  }

  /** The stream is not needed any more: it is destroyed. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.wake()
    if (this.#stream instanceof Readable) this.#stream.destroy()
    else void this.#iterator?.return?.().catch(() => {})
  }
}
