import { type TcpEnd, TcpReassembler, type TcpReassemblerOptions, type TcpStream, type TcpStreamEnd } from 'ringtap'
import { packet, type Segment } from './tcp-segments.js'

/** What came of a connection: bytes, gaps as `<N>`, by end. */
export interface Read {
  stream: TcpStream
  originator: string
  responder: string
  cause: TcpStreamEnd | undefined
}

export function read(segments: readonly Segment[], options: Partial<TcpReassemblerOptions> = {}, end = true) {
  const streams: Read[] = []
  const reassembler = new TcpReassembler({
    ...options,
    onStream: (stream) => {
      const one: Read = { stream, originator: '', responder: '', cause: undefined }
      streams.push(one)
      stream.onData = (data, from: TcpEnd) => {
        one[from] += Buffer.from(data).toString('latin1')
      }
      stream.onGap = (length, from: TcpEnd) => {
        one[from] += `<${length}>`
      }
      stream.onEnd = (cause) => {
        one.cause = cause
      }
    },
  })
  for (const segment of segments) reassembler.add(packet(segment))
  if (end) reassembler.end()
  return { streams, stats: reassembler.stats(), reassembler }
}

export function readOne(segments: readonly Segment[], options: Partial<TcpReassemblerOptions> = {}): Read {
  const { streams } = read(segments, options)
  if (streams.length !== 1) throw new Error(`${streams.length} streams`)
  return streams[0] as Read
}

/** Streams of segments whose functions do what the test wants. */
export function follow(set: (stream: TcpStream) => void, options: Partial<TcpReassemblerOptions> = {}) {
  const reassembler = new TcpReassembler({ ...options, onStream: set })
  return { reassembler, add: (segments: readonly Segment[]) => segments.map((one) => reassembler.add(packet(one))) }
}
