/**
 * A sensor without a collector: reads its settings from the environment, as programs in containers do, captures, and logs.
 *
 *   sudo env NETWORK_DEVICE_INCLUDELIST='^eth ^en' NETWORK_DEVICE_EXCLUDELIST='^eth7$' BPF='not port 22' \
 *     OSSENSOR_DEBUG=4 node dist/work/examples/sensor.js
 *
 * | variable                   | meaning                                                                          |
 * |----------------------------|----------------------------------------------------------------------------------|
 * | NETWORK_DEVICE_INCLUDELIST | patterns as egrep reads them, separated by white space; an interface is captured |
 * |                            | if one of them is found in its name. Loopback too, if one is found in `lo`.      |
 * | NETWORK_DEVICE_EXCLUDELIST | patterns of interfaces that are not captured; wins over all other settings       |
 * | NETWORK_DEVICE_ANY         | 1: every interface that is not excluded, loopback too; the include list is       |
 * |                            | ignored. 0 or empty: the include list decides; without one, every interface but    |
 * |                            | loopback                                                                         |
 * | BPF                        | a filter as tcpdump takes it (pcap-filter(7))                                    |
 * | OSSENSOR_DEBUG             | how much to log; each level adds to those below. 0: interfaces, events,          |
 * |                            | losses, warnings. 1 (the default): statistics every 10 seconds: the ledger, the  |
 * |                            | share lost of late, and what the kernel lost ahead of it. 2, 3: nothing more.    |
 * |                            | 4: a line per chunk of packets, time and size. 5: every packet, its headers and hex|
 * | OSSENSOR_STATISTICS        | seconds between statistics. Default 10                                           |
 *
 * Interfaces that appear or are renamed while it runs are selected by the same lists. SIGTERM and SIGINT end it after the
 * last packet that was received before them, with the ledger and exit code 0. Exit code 2: a setting is wrong; 1: the
 * system refused.
 */
import {
  Capture,
  CaptureError,
  Dissector,
  explainSelection,
  hexdump,
  type InterfaceRules,
  listInterfaces,
} from 'ringtap'
import { fail, stopOnSignal } from './support/command.js'
import {
  aheadText,
  chunkLine,
  count,
  eventText,
  lossText,
  nameList,
  now,
  packetLine,
  plural,
} from './support/format.js'
import { ledger } from './support/ledger.js'

const STATISTICS = 1
const CHUNKS = 4
const PACKETS = 5

const { interfaces, filter, debug, period } = readSettings(process.env)
const capture = await Capture.open({ interfaces, filter }).catch((error) => fail(withVariableNames(error)))
stopOnSignal(capture)
capture.on('warning', (warning) => log(`warning: ${withVariableNames(warning).message}`))
capture.on('loss', (event) => log(`loss: ${lossText(event)}`))
capture.on('error', (error) => log(`error: ${withVariableNames(error).message}`))
capture.on('interface', (event) => {
  if (event.type === 'changed') return
  const judged = event.type === 'added' || event.type === 'renamed'
  log(judged ? `${eventText(event)}: ${explainSelection(event.interface, interfaces).text}` : eventText(event))
})

for (const iface of listInterfaces()) log(explainSelection(iface, interfaces).text)
log(
  `capturing on ${nameList(capture.interfaces) || 'nothing until an interface matches'}` +
    `${filter === undefined ? '' : `, filter "${filter}"`}, debug level ${debug}`,
)

const dissector = new Dissector()
const timer = debug >= STATISTICS ? setInterval(logStatistics, period * 1000) : undefined
for await (const chunk of capture) {
  if (debug >= CHUNKS) console.log(`chunk  ${chunkLine(chunk)}`)
  if (debug < PACKETS) continue
  chunk.forEach((packet) => {
    dissector.dissect(packet)
    console.log(
      `packet ${packetLine(packet)}\n  ${dissector.summary()}\n${hexdump(packet.data, { squeeze: false, indent: 2 }).trimEnd()}`,
    )
  })
}
clearInterval(timer)

log(`stopped\n${ledger(capture.stats())}`)
await capture.close()

function log(text: string): void {
  console.log(`${now()}  ${text}`)
}

function logStatistics(): void {
  const stats = capture.stats()
  const { received, delivered, bytes, droppedByRing, droppedByOverflow, malformed, queued, loss } = stats
  const lost = droppedByRing + droppedByOverflow + malformed
  log(
    `statistics: ${plural(received, 'packet')} received, ${count(delivered)} delivered (${plural(bytes, 'byte')}), ` +
      `${count(lost)} lost, ${count(queued)} queued, ${plural(capture.interfaces.length, 'interface')}`,
  )
  log(`statistics: loss ${lossText({ ...loss, previous: loss.level })}; ahead of the capture: ${aheadText(stats)}`)
}

interface Settings {
  interfaces: InterfaceRules
  filter: string | undefined
  debug: number
  period: number
}

function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const list = (name: string) => (environment[name] ?? '').split(/\s+/).filter((pattern) => pattern !== '')
  const number = (name: string, usual: number, least: number, most: number) => {
    const text = (environment[name] ?? '').trim()
    const value = text === '' ? usual : Number(text)
    if (value >= least && value <= most && Number.isInteger(value)) return value
    fail(new CaptureError('ERR_OPTION', `${name} must be a whole number from ${least} to ${most}; it is "${text}"`))
  }
  const any = number('NETWORK_DEVICE_ANY', 0, 0, 1) === 1
  const include = any ? [] : list('NETWORK_DEVICE_INCLUDELIST')
  return {
    interfaces: {
      include,
      exclude: list('NETWORK_DEVICE_EXCLUDELIST'),
      // Loopback only if it was asked for: by "any", or by a pattern that matches it.
      loopback: any || include.length > 0,
      hotplug: true,
    },
    filter: environment['BPF']?.trim() || undefined,
    debug: number('OSSENSOR_DEBUG', STATISTICS, 0, PACKETS),
    period: number('OSSENSOR_STATISTICS', 10, 1, 86_400),
  }
}

/** The error with the names of the variables in place of the library's options. */
function withVariableNames(error: unknown): Error {
  if (!(error instanceof CaptureError)) return error as Error
  const names: [string, string][] = [
    ['interfaces.include', 'NETWORK_DEVICE_INCLUDELIST'],
    ['interfaces.exclude', 'NETWORK_DEVICE_EXCLUDELIST'],
  ]
  let { message } = error
  for (const [option, variable] of names) message = message.replaceAll(option, variable)
  return new CaptureError(error.code, error.code.startsWith('ERR_FILTER') ? `BPF: ${message}` : message)
}
