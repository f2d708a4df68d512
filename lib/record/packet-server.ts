import { EventEmitter } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type DebugLog, debugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import { compileFilter } from '../filter/compile-filter.js'
import type { Connection } from '../filter/connections.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { SavefileFormat } from '../native/numbers.js'
import type { SocketOwners } from '../owners/socket-owners.js'
import { fromSystem } from '../savefile/savefile-target.js'
import { freezeWithJson } from '../to-json.js'
import { soleLinkType } from './link-types.js'
import type { NativeRecorder, NativeServer, NativeServerStreamOptions } from './native.js'
import { ownersHandle } from './recorded-owners.js'
import { type NormalisedServeOptions, normaliseServeOptions, type ServeOptions } from './serve-options.js'
import { ServerReader, type ServerReaderStats } from './server-reader.js'

/** The readers of a {@link PacketServer}, and what it holds for them. */
export interface PacketServerStats {
  /** The readers that are connected. */
  readonly readers: readonly ServerReaderStats[]
  /** Readers so far, with those that have left. */
  readonly attached: number
  /** Connections that were closed at once, because there were `maxReaders` readers. */
  readonly refused: number
  /** Packets that readers could have, before the server's filter. */
  readonly packets: number
  /** Packets that no reader could have, because the server did not keep up and ring and overflow memory were used up. */
  readonly dropped: number
  /** Bytes of memory that the packets take that are held. */
  readonly memory: number
}

/** The events of a {@link PacketServer}. A listener for any other event is refused with `ERR_OPTION`. */
export interface PacketServerEvents {
  /** A reader has connected. */
  attach: [reader: ServerReaderStats]
  /** A reader has left, or was cut off; its final figures. */
  detach: [reader: ServerReaderStats]
  /** The server has ended: with {@link PacketServer.close}, or with the capture. */
  end: [stats: PacketServerStats]
}

/** The part of a capture that its server uses. @internal */
export interface ServedCapture {
  interfaces(): readonly NetworkInterface[]
  /** The filter expression in force now. */
  filter(): string | undefined
  /** Whose packets are; `undefined` if the capture was opened without. */
  owners(): SocketOwners | undefined
  /** Excludes these connections from the capture, beside those that its user excludes. */
  exclude(connections: readonly Connection[]): Promise<void>
  warn(warning: CaptureError): void
}

/**
 * Serves a capture's packets to programs that connect (PCAP-over-IP); made by {@link Capture.serve}.
 *
 * It ends with {@link close}, or when the capture is stopped or closed: each reader then gets what is held for it, and the end
 * of the file.
 */
export class PacketServer extends EventEmitter<PacketServerEvents> implements AsyncDisposable {
  /** Where it listens. */
  readonly address: {
    /** The address. */
    readonly host: string
    /** The TCP port. */
    readonly port: number
  }
  /** Resolves to the final figures when the server has ended and all readers are gone. */
  readonly finished: Promise<PacketServerStats>
  readonly #listener: Server
  readonly #recorder: NativeRecorder
  readonly #native: NativeServer
  readonly #capture: ServedCapture
  readonly #stream: NativeServerStreamOptions
  readonly #debug: DebugLog
  readonly #readers = new Map<ServerReader, Promise<void>>()
  #attached = 0
  #refused = 0
  #warned = false
  #closing = false
  #end: ((stats: PacketServerStats) => void) | undefined

  private constructor(
    by: typeof construction,
    recorder: NativeRecorder,
    native: NativeServer,
    listener: Server,
    stream: NativeServerStreamOptions,
    capture: ServedCapture,
    debug: DebugLog,
  ) {
    super()
    if (by !== construction) throw notConstructible('PacketServer', 'use capture.serve()')
    const { address, port } = listener.address() as AddressInfo
    this.address = Object.freeze({ host: address, port })
    this.#recorder = recorder
    this.#native = native
    this.#listener = listener
    this.#stream = stream
    this.#capture = capture
    this.#debug = debug
    this.finished = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** @internal */
  static async _begin(
    recorder: NativeRecorder,
    given: ServeOptions | undefined,
    capture: ServedCapture,
  ): Promise<PacketServer> {
    const options = normaliseServeOptions(given)
    const { form, memory, milliseconds, filter } = options
    const owners = ownersHandle(options.owners, capture.owners())
    const linkType = form.format === SavefileFormat.PCAPNG ? 0 : soleLinkType(capture.interfaces(), 'serve')
    const debug = debugLog('server')
    debug('serving with %s', { ...options, tls: options.tls !== undefined })
    if (filter !== undefined) await compileFilter(filter, { source: 'savefile' })
    const listener = await listen(options)
    try {
      const native = recorder.serve({ memory, milliseconds, captureFilter: capture.filter(), owners })
      const server = new PacketServer(
        construction,
        recorder,
        native,
        listener,
        { ...form, filter, linkType },
        capture,
        debug,
      )
      listener.on('drop', () => server.#refused++)
      listener.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => server.#accept(socket))
      listener.on('error', (error) => capture.warn(fromSystem(error)))
      return server
    } catch (error) {
      listener.close()
      throw error
    }
  }

  /** Whether it still takes packets. @internal */
  get _active(): boolean {
    return this.#end !== undefined
  }

  /** Its readers, and what is held for them. */
  stats(): PacketServerStats {
    return freezeWithJson({
      readers: Object.freeze([...this.#readers.keys()].map((reader) => reader.stats())),
      attached: this.#attached,
      refused: this.#refused,
      ...this.#native.stats(),
    })
  }

  /**
   * Ends the server: no further reader gets in, and each one gets what was received before this call, and the end of the file. A
   * reader that takes nothing for a second, or needs more than ten, is cut off, and what it was not sent counts as `dropped`. The
   * capture goes on. Never rejects.
   */
  async close(): Promise<PacketServerStats> {
    if (!this.#closing) {
      this.#closing = true
      this.#listener.close()
      this.#recorder.endServer()
    }
    return await this.finished
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(socket: Socket): void {
    const reader = new ServerReader(socket)
    this.#readers.set(reader, this.#serve(reader))
  }

  async #serve(reader: ServerReader): Promise<void> {
    try {
      // Or each packet that is sent to it would be captured, and sent to it. Its map is complete after this call.
      await Promise.resolve().then(() => this.#exclude())
      if (reader.gone || !this.#end) return
      const sending = reader.send(this.#native.stream(this.#stream))
      this.#attached++
      this.#debug('attached: %s', reader.stats())
      emitSafely(this, 'attach', reader.stats())
      await sending.catch((error: CaptureError) => this.#capture.warn(error))
      this.#debug('detached: %s', reader.stats())
      emitSafely(this, 'detach', reader.stats())
    } catch (error) {
      this.#capture.warn(
        new CaptureError(
          'ERR_SYSTEM',
          `a reader is refused, since it cannot be excluded: ${(error as Error).message}`,
          {
            cause: error,
          },
        ),
      )
    } finally {
      reader.socket.destroy()
      this.#readers.delete(reader)
      this.#exclude().catch(() => undefined) // The capture is closed: there is nothing to exclude.
    }
  }

  #exclude(): Promise<void> {
    return this.#capture.exclude([...this.#readers.keys()].filter(({ gone }) => !gone).map(({ socket }) => socket))
  }

  /** Called when the server may have faults or its end to report. @internal */
  _look(): void {
    if (!this.#end) return
    const ended = this.#native.ended()
    for (let fault = this.#native.nextFault(); fault; fault = this.#native.nextFault()) this.#warnLater(fault)
    if (!this.#warned && this.#native.stats().dropped > 0) {
      this.#warned = true
      const text = 'the server does not keep up: packets are dropped for all readers, and counted in its stats()'
      this.#warnLater(new CaptureError('ERR_SYSTEM', text))
    }
    if (!ended) return
    const end = this.#end
    this.#end = undefined
    void this.#finish(end)
  }

  async #finish(end: (stats: PacketServerStats) => void): Promise<void> {
    this.#closing = true
    this.#listener.close()
    const readers = [...this.#readers]
    for (const [reader] of readers) reader.finish()
    await Promise.all(readers.map(([, served]) => served))
    const stats = this.stats()
    this.#native.clear()
    this.#debug('ended: %s', stats)
    end(stats)
    emitSafely(this, 'end', stats)
  }

  // After the present call, because a listener may call any method, including close().
  #warnLater(warning: CaptureError): void {
    queueMicrotask(() => this.#capture.warn(warning))
  }
}

/** @throws CaptureError (the promise rejects) The address is in use, or may not be used; the certificate is wrong. */
async function listen({ host, port, maxReaders, tls }: NormalisedServeOptions): Promise<Server> {
  let listener: Server
  try {
    listener = tls ? createTlsServer({ ...tls, handshakeTimeout: 10_000 }) : createTcpServer()
  } catch (error) {
    throw new CaptureError('ERR_OPTION', `tls: ${(error as Error).message}`, { option: 'tls', cause: error })
  }
  listener.maxConnections = maxReaders
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (error) => reject(fromSystem(error)))
    listener.listen(port, host, () => {
      listener.removeAllListeners('error')
      resolve()
    })
  })
  return listener
}

refuseUnknownEvents(
  PacketServer,
  { attach: true, detach: true, end: true },
  'Packets are never events: iterate over the capture, with "for await (const chunk of capture)"',
)
