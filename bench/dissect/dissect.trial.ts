// One trial of bench/dissect/dissect.ts in its own process: prints packets, seconds of processor time, a sum of what was
// read, and the growth of the heap per packet, as JSON.
import { readFileSync } from 'node:fs'
import { type Chunk, Dissector, openFile, type Packet } from 'ringtap'
import { loadPeer } from '../support/peers.js'
import { trialArgument } from '../support/trial.js'

export type Way = 'scalar' | 'for…of' | LoopWay | 'dissect' | 'dissect, flow hash' | 'cap' | 'pcap' | '@netkitty/codec'
/** Parts of `for…of`: what each property costs. */
type LoopWay =
  | 'for…of, capturedLength'
  | 'for…of, timestampMs'
  | 'for…of, timestamp'
  | 'for…of, data'
  | 'for…of, interface'

/** The trial's parameters: who reads the file how many times, after as many rounds until the compiler is done. */
export interface DissectTrial {
  way: Way
  file: string
  rounds: number
}

export interface DissectSample {
  packets: number
  seconds: number
  sum: number
  /** Bytes of heap per packet. */
  heap: number
}

/** Reads all packets once and returns the sum. */
type Round = () => number | Promise<number>

/** A part of the packets is enough for the peers, which take microseconds for each. */
const peerPackets = 2000

/** A loop for each, so that V8 compiles each by itself. */
const loops: Partial<Record<Way, (chunk: Chunk) => number>> = {
  'for…of, capturedLength': (chunk) => {
    let sum = 0
    for (const packet of chunk) sum += packet.capturedLength
    return sum
  },
  'for…of, timestampMs': (chunk) => {
    let sum = 0
    for (const packet of chunk) sum += Math.floor(packet.timestampMs)
    return sum
  },
  'for…of, timestamp': (chunk) => {
    let sum = 0
    for (const packet of chunk) sum += Number(packet.timestamp / 1_000_000n)
    return sum
  },
  'for…of, data': (chunk) => {
    let sum = 0
    for (const packet of chunk) sum += packet.data[23] as number
    return sum
  },
  'for…of, interface': (chunk) => {
    let sum = 0
    for (const packet of chunk) sum += packet.interface.index
    return sum
  },
}

function ringtapRound(way: Way, chunks: readonly Chunk[]): Round {
  // A variable that is shared by functions would be a new heap number for each packet.
  const total = new Float64Array(1) as Float64Array & [number]
  const dissector = new Dissector()
  const tuple = (packet: Packet) => {
    dissector.dissect(packet)
    const { protocol, sourcePort, destinationPort, payloadLength, networkOffset } = dissector
    total[0] += protocol + sourcePort + destinationPort + payloadLength + networkOffset
  }
  const visits: Partial<Record<Way, (packet: Packet) => void>> = {
    scalar: (packet) => {
      total[0] += packet.readUInt8(23) + Math.floor(packet.timestampMs) + packet.interface.index
    },
    dissect: tuple,
    'dissect, flow hash': (packet) => {
      tuple(packet)
      if (dissector.flowHash === 0) total[0]++
    },
  }
  const visit = visits[way]
  const loop = loops[way]
  return () => {
    total[0] = 0
    let sum = 0
    for (const chunk of chunks) {
      if (visit) chunk.forEach(visit)
      else if (loop) sum += loop(chunk)
      else {
        for (const packet of chunk) {
          sum += (packet.data[23] as number) + Number(packet.timestamp / 1_000_000n) + packet.interface.index
        }
      }
    }
    return sum + total[0]
  }
}

interface CapDecoders {
  decoders: Record<'Ethernet' | 'IPV4' | 'TCP' | 'UDP', (bytes: Buffer, offset?: number) => CapHeader>
}
interface CapHeader {
  offset: number
  hdrlen: number
  info: { type: number; protocol: number; totallen: number; srcport: number; dstport: number; length: number }
}

/** The sum of the same fields; the peers are given IPv4 alone. */
function capRound({ decoders }: CapDecoders, packets: readonly Buffer[]): Round {
  return () => {
    let sum = 0
    for (const bytes of packets) {
      const link = decoders.Ethernet(bytes)
      const ip = decoders.IPV4(bytes, link.offset)
      const isTcp = ip.info.protocol === 6
      const upper = isTcp ? decoders.TCP(bytes, ip.offset) : decoders.UDP(bytes, ip.offset)
      const length = link.offset + ip.info.totallen - upper.offset
      sum += ip.info.protocol + upper.info.srcport + upper.info.dstport + length + link.offset
    }
    return sum
  }
}

interface PcapDecoder {
  decode: {
    packet: (raw: { link_type: string; header: Buffer; buf: Buffer }) => {
      payload: {
        payload: { protocol: number; payload: { sport: number; dport: number; dataLength?: number; length?: number } }
      }
    }
  }
}

function pcapRound({ decode }: PcapDecoder, packets: readonly Buffer[]): Round {
  const header = Buffer.alloc(16)
  return () => {
    let sum = 0
    for (const buf of packets) {
      header.writeUInt32LE(buf.length, 8)
      header.writeUInt32LE(buf.length, 12)
      const ip = decode.packet({ link_type: 'LINKTYPE_ETHERNET', header, buf }).payload.payload
      const { sport, dport, dataLength, length } = ip.payload
      // It has no payload offset; an IPv4 packet behind Ethernet begins at 14 here.
      sum += ip.protocol + sport + dport + (dataLength ?? (length as number) - 8) + 14
    }
    return sum
  }
}

interface Codec {
  decode: (packet: Buffer) => Promise<{ id: string; data: Record<string, number> }[]>
}

function codecRound(codec: Codec, packets: readonly Buffer[]): Round {
  return async () => {
    let sum = 0
    for (const bytes of packets) {
      const layers = await codec.decode(bytes)
      const ip = layers.find(({ id }) => id === 'ipv4')?.data
      const upper = layers.find(({ id }) => id === 'tcp' || id === 'udp')?.data
      if (!ip || !upper) throw new Error('a packet was not decoded')
      sum += (ip['protocol'] as number) + (upper['srcport'] as number) + (upper['dstport'] as number)
    }
    return sum
  }
}

async function roundOf(way: Way, file: string): Promise<{ round: Round; packets: number }> {
  if (way === 'cap' || way === 'pcap' || way === '@netkitty/codec') {
    const peer = loadPeer<unknown>(way)
    if (peer.missing !== undefined) throw new Error(peer.missing)
    const bytes = readFileSync(file)
    const packets: Buffer[] = []
    for (let at = 24; at < bytes.length && packets.length < peerPackets; ) {
      const end = at + 16 + bytes.readUInt32LE(at + 8)
      packets.push(bytes.subarray(at + 16, end))
      at = end
    }
    if (way === 'cap') return { round: capRound(peer.module as CapDecoders, packets), packets: packets.length }
    if (way === 'pcap') return { round: pcapRound(peer.module as PcapDecoder, packets), packets: packets.length }
    const { Codec } = peer.module as { Codec: new () => Codec }
    return { round: codecRound(new Codec(), packets), packets: packets.length }
  }
  const chunks: Chunk[] = []
  for await (const chunk of await openFile(file)) chunks.push(chunk.retain())
  return { round: ringtapRound(way, chunks), packets: chunks.reduce((sum, { packetCount }) => sum + packetCount, 0) }
}

async function measure({ way, file, rounds }: DissectTrial): Promise<DissectSample> {
  const { round, packets } = await roundOf(way, file)
  for (let i = 0; i < rounds; i++) await round()
  const heap = process.memoryUsage().heapUsed
  const began = process.cpuUsage()
  let sum = 0
  for (let i = 0; i < rounds; i++) sum = await round()
  const { user, system } = process.cpuUsage(began)
  const growth = process.memoryUsage().heapUsed - heap
  return { packets: packets * rounds, seconds: (user + system) / 1e6, sum, heap: growth / (packets * rounds) }
}

const trial = trialArgument<DissectTrial | null>()
if (trial) console.log(JSON.stringify(await measure(trial)))
