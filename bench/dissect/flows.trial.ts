// One trial of bench/dissect/flows.ts in its own process: prints packets, seconds of processor time, a sum of what was
// counted, and the growth of the heap per packet, as JSON.
import { type Chunk, FlowTable, openFile } from 'ringtap'
import { trialArgument } from '../support/trial.js'
import type { DissectSample } from './dissect.trial.js'

export interface FlowsTrial {
  file: string
  flows: number
  rounds: number
}

const day = 86_400_000

async function measure({ file, flows, rounds }: FlowsTrial): Promise<DissectSample> {
  const chunks: Chunk[] = []
  for await (const chunk of await openFile(file)) chunks.push(chunk.retain())
  const table = new FlowTable({ maxFlows: flows, idleTimeout: day, activeTimeout: day })
  const round = () => {
    for (const chunk of chunks) chunk.forEach((packet) => table.add(packet))
  }
  for (let i = 0; i < 2; i++) round()
  const before = table.stats().packets
  const heap = process.memoryUsage().heapUsed
  const began = process.cpuUsage()
  for (let i = 0; i < rounds; i++) round()
  const { user, system } = process.cpuUsage(began)
  const growth = process.memoryUsage().heapUsed - heap
  const packets = table.stats().packets - before
  let sum = table.stats().flows
  for (const { originator, responder } of table.current()) {
    sum += originator.packets + responder.packets + originator.bytes + responder.bytes
  }
  return { packets, seconds: (user + system) / 1e6, sum, heap: growth / packets }
}

const trial = trialArgument<FlowsTrial | null>()
if (trial) console.log(JSON.stringify(await measure(trial)))
