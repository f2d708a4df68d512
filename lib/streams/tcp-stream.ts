import { ReceiveBuffer, type Receiver } from './receive-buffer.js'

/** The two ends of a connection: its originator sent the first SYN, or, if that was not seen, the first segment. */
export type TcpEnd = 'originator' | 'responder'

/** Why a {@link TcpStream} ended. */
export type TcpStreamEnd =
  /** Both ends have closed it, and all data were handed over. */
  | 'closed'
  /** One end has reset it. */
  | 'reset'
  /** A new connection has begun between the same ports. */
  | 'reused'
  /** No packet for the idle timeout. */
  | 'idle'
  /** There was no room for it any more. */
  | 'evicted'
  /** {@link TcpReassembler.end} was called. */
  | 'ended'

/** What one end of a connection has sent. */
export interface TcpDirection {
  /** Bytes handed over. */
  readonly bytes: number
  /** How often bytes were missing. */
  readonly gaps: number
  /** How many bytes were missing. */
  readonly gapBytes: number
  /** Bytes that had been seen before. */
  readonly retransmittedBytes: number
  /** Segments whose bytes differ from others for the same place. The first ones seen were handed over. */
  readonly conflicts: number
}

/** A connection that a {@link TcpReassembler} follows. Set the functions when it is announced. */
export class TcpStream {
  /** The originator's address. */
  readonly sourceIp: string
  /** The originator's port. */
  readonly sourcePort: number
  /** The responder's address. */
  readonly destinationIp: string
  /** The responder's port. */
  readonly destinationPort: number
  /** Time of its first packet, milliseconds since 1970. */
  readonly first: number
  /** Whether its beginning was not seen: data may be missing before the first. */
  readonly midstream: boolean
  /**
   * Called with the bytes that one end has sent, in order. They are a view that is valid during the call: copy what is to
   * be kept. `time`: that of the packet that made them complete, milliseconds since 1970; of what is handed over when the
   * connection ends, that of its last packet.
   */
  onData: ((data: Uint8Array, end: TcpEnd, time: number) => void) | undefined
  /** Called where bytes are missing: they were not captured, or cut at the snapshot length. `time`: as of {@link onData}. */
  onGap: ((length: number, end: TcpEnd, time: number) => void) | undefined
  /** Called at the end, after all data. */
  onEnd: ((cause: TcpStreamEnd) => void) | undefined
  /** @internal */
  readonly _buffers: readonly [ReceiveBuffer, ReceiveBuffer]
  /** The time of what is handed over. @internal */
  _time: number
  #ignored = false

  /** @internal */
  constructor(ends: StreamEnds, first: number, midstream: boolean) {
    this.sourceIp = ends.sourceIp
    this.sourcePort = ends.sourcePort
    this.destinationIp = ends.destinationIp
    this.destinationPort = ends.destinationPort
    this.first = first
    this._time = first
    this.midstream = midstream
    const receiver = (end: TcpEnd): Receiver => ({
      data: (bytes) => {
        if (!this.#ignored) this.onData?.(bytes, end, this._time)
      },
      gap: (length) => {
        if (!this.#ignored) this.onGap?.(length, end, this._time)
      },
    })
    this._buffers = [new ReceiveBuffer(receiver('originator')), new ReceiveBuffer(receiver('responder'))]
  }

  /** What the originator has sent so far. */
  get originator(): TcpDirection {
    return directionOf(this._buffers[0])
  }

  /** What the responder has sent so far. */
  get responder(): TcpDirection {
    return directionOf(this._buffers[1])
  }

  /**
   * Stops the delivery of data and gaps, and frees what is held. `onEnd` is still called. For programs that have read what
   * they need.
   */
  ignore(): void {
    this.#ignored = true
    for (const buffer of this._buffers) buffer.clear()
  }

  /** @internal */
  get _ignored(): boolean {
    return this.#ignored
  }
}

/** @internal */
export interface StreamEnds {
  sourceIp: string
  sourcePort: number
  destinationIp: string
  destinationPort: number
}

function directionOf({ bytes, gaps, gapBytes, retransmitted, conflicts }: ReceiveBuffer): TcpDirection {
  return { bytes, gaps, gapBytes, retransmittedBytes: retransmitted, conflicts }
}
