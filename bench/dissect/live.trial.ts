// The consumer of bench/dissect/live.ts in its own process: capture, dissection and flow table on one thread. `mark` and
// `report` on standard input are answered in JSON.
import { createInterface } from 'node:readline'
import { Capture, FlowTable } from 'ringtap'
import { trialArgument } from '../support/trial.js'

export interface LiveTrial {
  interface: string
  flows: number
}

/** What is counted since `mark`, except where it says otherwise. */
export interface LiveReading {
  /** Packets that a flow was found or begun for. */
  counted: number
  /** Packets that the capture delivered, and those that it lost in its ring or in overflow memory. */
  delivered: number
  lost: number
  /** Flows in the table. */
  flows: number
  /** Seconds of processor time of all threads, and of JavaScript's thread alone as far as it was busy. */
  cpu: number
  busy: number
  /** Resident memory and JavaScript's heap, in bytes: the largest of each second. */
  resident: number[]
  heap: number[]
}

const answer = (value: object) => console.log(JSON.stringify(value))

async function consume({ interface: name, flows: count }: LiveTrial): Promise<void> {
  const flows = new FlowTable({ maxFlows: 2 * count })
  const capture = await Capture.open({ interfaces: name })
  const reading = (async () => {
    for await (const chunk of capture) chunk.forEach((packet) => flows.add(packet))
  })()
  let resident: number[] = []
  let heap: number[] = []
  const timer = setInterval(() => {
    const { rss, heapUsed } = process.memoryUsage()
    resident.push(rss)
    heap.push(heapUsed)
  }, 1000)
  const totals = () => {
    const { delivered, droppedByRing, droppedByOverflow } = capture.stats()
    return { delivered, lost: droppedByRing + droppedByOverflow, counted: flows.stats().packets }
  }
  let before = totals()
  let cpu = process.cpuUsage()
  let utilization = performance.eventLoopUtilization()
  answer({ ready: true })
  for await (const command of createInterface({ input: process.stdin })) {
    if (command === 'mark') {
      before = totals()
      cpu = process.cpuUsage()
      utilization = performance.eventLoopUtilization()
      resident = []
      heap = []
      answer({})
    } else if (command === 'report') {
      const now = totals()
      const { user, system } = process.cpuUsage(cpu)
      answer({
        counted: now.counted - before.counted,
        delivered: now.delivered - before.delivered,
        lost: now.lost - before.lost,
        flows: flows.stats().flows,
        cpu: (user + system) / 1e6,
        busy: performance.eventLoopUtilization(utilization).active / 1000,
        resident,
        heap,
      } satisfies LiveReading)
    } else break
  }
  clearInterval(timer)
  await capture.close()
  await reading
}

const trial = trialArgument<LiveTrial | null>()
if (trial) await consume(trial)
