import { checkBoolean, checkCallback, checkGroup, checkInteger, orElse } from '../arguments.js'
import type { DissectorOptions } from '../dissect/dissector.js'
import { optionError } from '../errors.js'
import type { TcpStream } from './tcp-stream.js'

/** Options of a {@link TcpReassembler}. All but `onStream` are optional. */
export interface TcpReassemblerOptions {
  /** Called with each new connection, before its first data: the place to set its functions. */
  onStream: (stream: TcpStream) => void
  /**
   * The most bytes that wait for what precedes them, of all connections together. Beyond it, the connection that was silent
   * for the longest time is evicted. 65536 to 2^40, default 64 MiB.
   */
  maxMemory?: number | undefined
  /**
   * The most bytes that wait in one direction of a connection. Beyond it, what is missing is reported as a gap. 4096 to
   * 2^30, default 1 MiB.
   */
  maxBuffered?: number | undefined
  /** The most connections at a time. 1 to 16777216, default 10000. */
  maxConnections?: number | undefined
  /** Milliseconds without a packet until a connection ends, by the packets' time. 1 to 86400000, default 300000. */
  idleTimeout?: number | undefined
  /**
   * Milliseconds to wait for bytes that the peer has acknowledged but that were not captured yet: they will not be sent
   * again. After that they count as missing. 0 to 60000, default 100.
   */
  reorderTimeout?: number | undefined
  /** Follow connections whose beginning was not seen. Default true. */
  midstream?: boolean | undefined
  /**
   * Ignore segments with a wrong checksum, as their receivers do. The checksum of a packet that this host sends is often
   * computed by the network card, after the packet was captured. A capture marks such packets
   * ({@link Packet.checksumPending}), and they are accepted; most files have no such mark. Default false.
   */
  verifyChecksums?: boolean | undefined
  /** As in {@link DissectorOptions}: connections in these tunnels. Default: none. */
  tunnels?: DissectorOptions['tunnels'] | undefined
}

const optionNames = [
  'onStream',
  'maxMemory',
  'maxBuffered',
  'maxConnections',
  'idleTimeout',
  'reorderTimeout',
  'midstream',
  'verifyChecksums',
  'tunnels',
] as const

/** The options of a reassembler, checked. @internal */
export interface ReassemblerSettings {
  onStream: (stream: TcpStream) => void
  maxMemory: number
  maxBuffered: number
  maxConnections: number
  idleTimeout: number
  reorderTimeout: number
  midstream: boolean
  verifyChecksums: boolean
  tunnels: DissectorOptions['tunnels'] | undefined
}

/** @internal */
export function checkReassemblerOptions(options: TcpReassemblerOptions): ReassemblerSettings {
  const given = checkGroup<TcpReassemblerOptions>(options, 'options', optionNames)
  const number = (name: keyof TcpReassemblerOptions & string, fallback: number, low: number, high: number, unit = '') =>
    checkInteger(orElse(given[name], fallback), name, low, high, unit)
  const onStream = checkCallback(given.onStream, 'onStream')
  if (!onStream) throw optionError('onStream', 'a function', onStream)
  return {
    onStream,
    maxMemory: number('maxMemory', 64 << 20, 65536, 2 ** 40, 'bytes'),
    maxBuffered: number('maxBuffered', 1 << 20, 4096, 2 ** 30, 'bytes'),
    maxConnections: number('maxConnections', 10_000, 1, 2 ** 24),
    idleTimeout: number('idleTimeout', 300_000, 1, 86_400_000, 'milliseconds'),
    reorderTimeout: number('reorderTimeout', 100, 0, 60_000, 'milliseconds'),
    midstream: checkBoolean(orElse(given.midstream, true), 'midstream'),
    verifyChecksums: checkBoolean(orElse(given.verifyChecksums, false), 'verifyChecksums'),
    tunnels: given.tunnels,
  }
}
