import { type Flow, FlowTable, type FlowTableOptions, type Packet } from 'ringtap'

/** The flows of packets, in the order in which they ended. */
export function flowsOf(packets: readonly Packet[], options: FlowTableOptions = {}): Flow[] {
  const flows: Flow[] = []
  const table = new FlowTable({ ...options, onEnd: (flow) => flows.push(flow) })
  for (const one of packets) table.add(one)
  table.end()
  return flows
}

/** The only flow of these packets. */
export function theFlow(packets: readonly Packet[], options?: FlowTableOptions): Flow {
  const flows = flowsOf(packets, options)
  if (flows.length !== 1) throw new Error(`${flows.length} flows`)
  return flows[0] as Flow
}
