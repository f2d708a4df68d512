// One trial of bench/packets/visit.ts in its own process: prints nanoseconds of processor time per packet as JSON.
import { type Chunk, openFile, type Packet } from 'ringtap'
import { trialArgument } from '../support/trial.js'

export type Read = 'capturedLength' | 'first byte' | 'timestampMs' | 'timestamp' | 'interface.name' | 'data' | 'data[0]'

/** The trial's parameters: the packets are visited by a loop of this kind, which reads these properties of each. */
export interface VisitTrial {
  loop: 'forEach' | 'for…of' | 'for…of, packets made before'
  reads: readonly Read[]
  file: string
}

const rounds = 40

/** A function of source text per trial, so that the compiler sees a program's own loop and no table of functions. */
function visitor(reads: readonly Read[]): string {
  const texts: Record<Read, string> = {
    capturedLength: 'sum += packet.capturedLength',
    'first byte': 'sum += packet.readUInt8(0)',
    timestampMs: 'sum += packet.timestampMs',
    timestamp: 'if (packet.timestamp > latest) latest = packet.timestamp',
    'interface.name': 'sum += packet.interface.name.length',
    data: 'sum += packet.data.length',
    'data[0]': 'sum += packet.data[0]',
  }
  return reads.map((read) => texts[read]).join('; ')
}

async function measure({ loop, reads, file }: VisitTrial): Promise<number> {
  const chunks: Chunk[] = []
  for await (const chunk of await openFile(file)) chunks.push(chunk.retain())
  const count = chunks.reduce((sum, { packetCount }) => sum + packetCount, 0)
  const head = 'let sum = 0; let latest = 0n; for (const chunk of chunks)'
  const body =
    loop === 'forEach'
      ? `chunk.forEach((packet) => { ${visitor(reads)} })`
      : `for (const packet of chunk) { ${visitor(reads)} }`
  const round = new Function('chunks', `${head} ${body}; return sum + Number(latest & 1n)`) as (
    chunks: readonly Iterable<Packet>[],
  ) => number
  const visited = loop === 'for…of, packets made before' ? chunks.map((chunk) => [...chunk]) : chunks
  for (let i = 0; i < rounds; i++) round(visited)
  const began = process.cpuUsage()
  for (let i = 0; i < rounds; i++) round(visited)
  const { user, system } = process.cpuUsage(began)
  return ((user + system) * 1000) / (count * rounds)
}

const trial = trialArgument<VisitTrial | null>()
if (trial) console.log(JSON.stringify(await measure(trial)))
