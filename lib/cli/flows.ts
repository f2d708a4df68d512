import { Capture, type Chunk, type Flow, FlowTable, type Packet, serviceName } from '../index.js'
import { captureOptions, filterOf, interfacesText } from './capture.js'
import type { CaptureSelection } from './command-options.js'
import { flowEnds, isPorted, protocolName } from './flow-text.js'
import { openInput } from './input.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, OutputClosed, outputIsClosed, warn, whenOutputCloses, write } from './output.js'
import { showReading } from './progress.js'
import { amount, quantity, StatusLine } from './terminal.js'

export interface FlowCommandOptions extends CaptureSelection {
  readonly format?: 'text' | 'zeek' | 'ecs' | 'json'
  readonly idle?: number
}

/** `ringtap flows`: a line per flow when it ends, of live traffic or (-r) of a file. */
export async function flowsCommand(words: string[], options: FlowCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const line = lineOf(options.json ? 'json' : (options.format ?? 'text'))
  const flows = new FlowTable({ idleTimeout: options.idle })
  if (options.read !== undefined) return fromFile(options.read, filter, options, flows, line)
  const capture = await Capture.open(captureOptions(options, filter))
  const stop = () => void capture.stop().catch(() => undefined)
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  capture.on('error', () => undefined)
  capture.on('warning', (warning) => warn(warning.message))
  note(`ringtap: flows of ${interfacesText(capture, options.hotplug)}; a line when one ends`)
  // Without packets no time passes for the table.
  let printing = Promise.resolve()
  let failure: unknown
  const print = () => {
    printing = printing
      .then(() => writeFlows(flows.take(), line))
      .catch((error) => {
        failure ??= error
        stop()
      })
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
    if (failure !== undefined) throw failure
    flows.end()
    await writeFlows(flows.take(), line)
    if (!outputIsClosed()) process.stderr.write(ledgerText(await capture.stop()))
  } finally {
    clearInterval(timer)
    for (const end of ends) end()
    await capture.close()
  }
}

async function fromFile(
  file: string,
  filter: string | undefined,
  options: FlowCommandOptions,
  flows: FlowTable,
  line: (flow: Flow) => string,
) {
  const savefile = await openInput(file, filter, options)
  const status = new StatusLine()
  showReading(savefile, status, true)
  try {
    for await (const chunk of savefile) {
      addAll(flows, chunk)
      await writeFlows(flows.take(), line)
    }
  } finally {
    // Also of a damaged file: the flows of what precedes the damage.
    flows.end()
    status.clear()
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

function flowText(flow: Flow): string {
  const [from, to] = flowEnds(flow)
  const service = isPorted(flow) ? serviceName(flow.destinationPort) : undefined
  const start = new Date(flow.first).toISOString().slice(11, 23)
  const sent = (one: Flow['originator']) => `${amount(one.packets, 'packet')} ${quantity(one.bytes, 'B')}`
  return (
    `${start} ${protocolName(flow.protocol).padEnd(5)} ${from} > ${to}: out ${sent(flow.originator)}, ` +
    `back ${sent(flow.responder)}, ${flow.duration.toFixed(0)} ms, ${flow.state}${service ? ` (${service})` : ''}`
  )
}
