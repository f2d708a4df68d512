// Asynchronous functions of Node.js that are given a view on a chunk and use its memory on another thread, or later,
// while the chunk is released.
import { generateKeyPairSync, randomFill, sign, verify } from 'node:crypto'
import { closeSync, openSync, read, readSync, write } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { brotliCompress, brotliDecompressSync, constants, gunzipSync, gzip } from 'node:zlib'

/** The bytes that a function read from a view; `undefined` if it only wrote. */
export type Seen = Promise<Uint8Array | undefined>

type Callback<T> = (error: Error | null, result: T) => void
const promised = <T>(start: (done: Callback<T>) => void) =>
  new Promise<T>((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))))

/** Small windows, because thousands of compressions are under way at once. */
const tiny = { level: 1, memLevel: 1, windowBits: 9 }
/**
 * Levels 0 and 1 read their input twice. If it has become zeros in between, they write references to what was not there,
 * and the output is a mixture.
 */
const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 2, [constants.BROTLI_PARAM_LGWIN]: 10 } }

/** Functions that read, or write to, a view on one packet. */
export class Readers {
  readonly #file: number
  readonly #zeros = openSync('/dev/zero', 'r')
  readonly #key = generateKeyPairSync('ed25519')
  #end = 0

  /** @param path A file to write to. */
  constructor(path: string) {
    this.#file = openSync(path, 'w+')
  }

  close(): void {
    closeSync(this.#file)
    closeSync(this.#zeros)
  }

  readonly ways: Readonly<Record<string, (view: Uint8Array) => Seen>> = {
    gzip: async (view) => gunzipSync(await promised<Buffer>((done) => gzip(view, tiny, done))),
    brotli: async (view) => brotliDecompressSync(await promised<Buffer>((done) => brotliCompress(view, brotli, done))),
    'fs.write': async (view) => {
      const { length } = view
      const position = this.#end
      this.#end += length
      await promised<number>((done) => write(this.#file, view, 0, length, position, done))
      const written = Buffer.alloc(length)
      readSync(this.#file, written, 0, length, position)
      return written
    },
    'crypto.sign': async (view) => {
      const own = Uint8Array.from(view)
      const signature = await promised<Buffer>((done) => sign(null, view, this.#key.privateKey, done))
      return verify(null, own, this.#key.publicKey, signature) ? own : Buffer.from('a signature of something else')
    },
    'crypto.randomFill': async (view) => {
      await promised<Uint8Array>((done) => randomFill(view, done))
      return undefined
    },
    'fs.read': async (view) => {
      const { length } = view
      await promised<number>((done) => read(this.#zeros, view, 0, length, null, done))
      return undefined
    },
  }
}

/** Sockets whose peers read only when told to, so that a write waits in libuv, with the view's address. */
export class LateSockets {
  readonly #server: Server
  readonly #received: ((bytes: Promise<Buffer>) => void)[] = []
  readonly #path: string
  readonly #release: (() => void)[] = []

  private constructor(path: string) {
    this.#path = path
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket))
  }

  static async open(path: string): Promise<LateSockets> {
    const sockets = new LateSockets(path)
    await new Promise<void>((resolve) => sockets.#server.listen(path, resolve))
    return sockets
  }

  #accept(socket: Socket): void {
    const bytes = new Promise<Buffer>((resolve, reject) => {
      const parts: Buffer[] = []
      socket.on('data', (part) => parts.push(part as Buffer))
      socket.on('end', () => resolve(Buffer.concat(parts)))
      socket.on('error', reject)
    })
    this.#release.push(() => socket.resume())
    this.#received.shift()?.(bytes)
  }

  /** Writes the view to a socket of its own. Resolves to what arrived, after {@link readAll}. */
  async connection(): Promise<(view: Uint8Array) => Promise<Buffer>> {
    const bytes = new Promise<Buffer>((resolve) => this.#received.push((arrived) => void arrived.then(resolve)))
    const socket = connect(this.#path)
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    return (view) => {
      socket.write(view)
      socket.end()
      return bytes
    }
  }

  /** Lets all peers read. */
  readAll(): void {
    for (const release of this.#release.splice(0)) release()
  }

  close(): void {
    this.#server.close()
  }
}

/**
 * The number of bytes that are neither those of the view, as they were when the function was called, nor zero; a wrong
 * length counts as one.
 */
export function foreignBytes(own: Uint8Array, seen: Uint8Array): number {
  let foreign = own.length === seen.length ? 0 : 1
  for (let i = 0; i < seen.length; i++) if (seen[i] !== own[i] && seen[i] !== 0) foreign++
  return foreign
}
