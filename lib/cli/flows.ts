import { Capture, type Chunk, type Flow, FlowTable, openFile, type Packet, serviceName } from '../index.js'
import { captureOptions, filterOf } from './capture.js'
import type { CaptureSelection } from './command-options.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, OutputClosed, outputIsClosed, warn, whenOutputCloses, write } from './output.js'
import { amount, metric, oneLine } from './terminal.js'

export interface FlowCommandOptions extends CaptureSelection {
  readonly format?: 'text' | 'zeek' | 'ecs' | 'json'
  readonly idle?: number
}

/** `ringtap flows`: a line per flow when it ends, of live traffic or (-r) of a file. */
export async function flowsCommand(words: string[], options: FlowCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const line = lineOf(options.json ? 'json' : (options.format ?? 'text'))
  const flows = new FlowTable({ idleTimeout: options.idle })
  if (options.read !== undefined) return fromFile(options.read, filter, flows, line)
  const capture = await Capture.open(captureOptions(options, filter))
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  capture.on('error', () => undefined)
  capture.on('warning', (warning) => warn(warning.message))
  note(`ringtap: flows of ${capture.interfaces.map((one) => oneLine(one.name)).join(', ')}; a line when one ends`)
  // Without packets no time passes for the table.
  let printing = Promise.resolve()
  const print = () => {
    printing = printing.then(() => writeFlows(flows.take(), line)).catch(stop)
    return printing
  }
  const timer = setInterval(() => {
    // Packets reach the table some time after the kernel has taken them.
    flows.advance(Date.now() - 1000)
    void print()
  }, 1000)
  try {
    for await (const chunk of capture) {
      addAll(flows, chunk)
      await print()
    }
    clearInterval(timer)
    await printing
    flows.end()
    await writeFlows(flows.take(), line)
    if (!outputIsClosed()) process.stderr.write(ledgerText(await capture.stop()))
  } finally {
    clearInterval(timer)
    for (const end of ends) end()
    await capture.close()
  }
}

async function fromFile(file: string, filter: string | undefined, flows: FlowTable, line: (flow: Flow) => string) {
  const savefile = await openFile(file === '-' ? process.stdin : file, { filter })
  try {
    for await (const chunk of savefile) {
      addAll(flows, chunk)
      await writeFlows(flows.take(), line)
    }
  } finally {
    // Also of a damaged file: the flows of what precedes the damage.
    flows.end()
    await savefile.close()
    await writeFlows(flows.take(), line)
  }
}

function addAll(flows: FlowTable, chunk: Chunk): void {
  chunk.forEach((packet: Packet) => flows.add(packet))
}

async function writeFlows(flows: readonly Flow[], line: (flow: Flow) => string): Promise<void> {
  if (flows.length === 0) return
  if (outputIsClosed()) throw new OutputClosed()
  await write(`${flows.map(line).join('\n')}\n`)
}

function lineOf(format: 'text' | 'zeek' | 'ecs' | 'json'): (flow: Flow) => string {
  switch (format) {
    case 'zeek':
      return (flow) => JSON.stringify(flow.toZeek())
    case 'ecs':
      return (flow) => JSON.stringify(flow.toEcs())
    case 'json':
      return (flow) => JSON.stringify(flow)
    case 'text':
      return flowText
  }
}

const protocols: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' }

function flowText(flow: Flow): string {
  const protocol = protocols[flow.protocol] ?? `ip-${flow.protocol}`
  const ported = flow.protocol === 6 || flow.protocol === 17
  const service = ported ? serviceName(flow.destinationPort) : undefined
  const from = ported ? `${flow.sourceIp}.${flow.sourcePort}` : flow.sourceIp
  const to = ported ? `${flow.destinationIp}.${flow.destinationPort}` : flow.destinationIp
  const start = new Date(flow.first).toISOString().slice(11, 23)
  const sent = (one: Flow['originator']) => `${amount(one.packets, 'packet')} ${metric(one.bytes)}B`
  return `${start} ${protocol.padEnd(5)} ${from} > ${to}: out ${sent(flow.originator)}, back ${sent(flow.responder)}, ${flow.duration.toFixed(0)} ms, ${flow.state}${service ? ` (${service})` : ''}`
}
