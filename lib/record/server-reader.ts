import type { Socket } from 'node:net'
import { freezeWithJson } from '../to-json.js'
import type { NativeServerStream } from './native.js'

/** A reader of a {@link PacketServer}, and what became of its packets. In JSON the time is a string. */
export interface ServerReaderStats {
  /** Its address. */
  readonly address: string
  /** Its port. */
  readonly port: number
  /** When it connected. */
  readonly since: Date
  /** Packets that it got: they are in the kernel's memory for the connection, or beyond. */
  readonly packets: number
  /** Bytes of these packets, as captured, with their VLAN tags. */
  readonly packetBytes: number
  /** Bytes sent to it. */
  readonly bytes: number
  /**
   * Packets that this reader missed because it was too slow, and for one that is cut off, those that it was not sent. Counted
   * before the `filter` of the server.
   */
  readonly dropped: number
  /** Packets that are held for it, before the filter. */
  readonly waiting: number
  /** Packets lost since it connected that no reader got: in the ring, or since the server did not keep up. */
  readonly lost: number
  /** With format `'pcap'`: packets left out because their link type is not that of the file. */
  readonly otherLinkType: number
}

/** Milliseconds without progress after which a reader that was to end is cut off, and in all. */
const idleLimit = 1000
const lingerLimit = 10_000

/** One connection: pieces of the savefile, one after the other, as fast as it takes them. @internal */
export class ServerReader {
  readonly #socket: Socket
  readonly #address: string
  readonly #port: number
  readonly #since = new Date()
  #stream: NativeServerStream | undefined
  #packets = 0
  #packetBytes = 0
  #bytes = 0
  /** Packets of the pieces that were written, before the filter. */
  #taken = 0
  #cutOff = false
  #ended: ServerReaderStats | undefined
  #idle: NodeJS.Timeout | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.#address = socket.remoteAddress ?? ''
    this.#port = socket.remotePort ?? 0
    socket.setNoDelay(true).setKeepAlive(true, 60_000)
    socket.on('error', () => undefined) // It closes then.
    // The protocol has no requests. Whoever has closed its end reads no more.
    socket.on('end', () => socket.destroy()).resume()
    socket.on('close', () => {
      this.#stream?.cancel()
      clearTimeout(this.#idle)
      clearTimeout(this.#linger)
    })
  }

  get gone(): boolean {
    return this.#socket.destroyed
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Sends the stream until it ends or the reader has gone. @throws CaptureError The stream has failed. */
  async send(stream: NativeServerStream): Promise<void> {
    this.#stream = stream
    try {
      for (;;) {
        const piece = await stream.next()
        if (!piece) break
        await this.#write(piece.bytes)
        this.#taken = piece.taken
        this.#packets += piece.packets
        this.#packetBytes += piece.packetBytes
        this.#bytes += piece.bytes.length
        this.#idle?.refresh()
      }
      await new Promise<void>((resolve) => {
        this.#socket.once('close', () => resolve())
        this.#socket.end()
      })
    } catch (error) {
      if (!this.gone) throw error
    } finally {
      this.#socket.destroy()
      this.#ended = this.stats()
    }
  }

  /** The stream ends with what is held now; a reader that does not take it in time is cut off. */
  finish(): void {
    this.#stream?.finish()
    const cut = () => {
      this.#cutOff = true
      this.#socket.destroy()
    }
    this.#idle = setTimeout(cut, idleLimit)
    this.#linger = setTimeout(cut, lingerLimit)
  }

  stats(): ServerReaderStats {
    if (this.#ended) return this.#ended
    const { overwritten, waiting: held, taken, lost, otherLinkType } = this.#stream?.counts() ?? none
    const waiting = held + taken - this.#taken
    return freezeWithJson({
      address: this.#address,
      port: this.#port,
      since: this.#since,
      packets: this.#packets,
      packetBytes: this.#packetBytes,
      bytes: this.#bytes,
      dropped: overwritten + (this.#cutOff ? waiting : 0),
      waiting: this.#cutOff ? 0 : waiting,
      lost,
      otherLinkType,
    })
  }

  /** Resolves when the bytes are in the kernel; rejects when the reader has gone. */
  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }
}

const none = { overwritten: 0, waiting: 0, taken: 0, lost: 0, otherLinkType: 0 }
