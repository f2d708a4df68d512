/**
 * Headers and hex dumps of the first packets of every interface: of those present, and of each that appears later, from its very
 * first packet.
 *
 *   sudo node dist/work/examples/first-packets.js [--count 3] [--bytes 256] [--new] [pattern]
 *
 * --count: packets per interface. --bytes: bytes shown of each. --new: only interfaces that appear from now on.
 * pattern: as egrep reads it; default: every interface but loopback.
 */
import { parseArgs } from 'node:util'
import { Capture, Dissector, hexdump } from 'ringtap'
import { fail, showWarnings, stopOnSignal } from './support/command.js'
import { eventText, now, packetLine, plural } from './support/format.js'
import { ledger } from './support/ledger.js'
import { color } from './support/style.js'

const { pattern, limit, length, onlyNew } = commandLine()

const capture = await Capture.open({ interfaces: { include: pattern ?? [], hotplug: true } }).catch(fail)
stopOnSignal(capture)
showWarnings(capture)
capture.on('interface', (event) => {
  if (event.type === 'added' || event.type === 'removed') console.log(`${now()}  ${eventText(event)}`)
})

// An index can be used again, by another device: the generation tells the two apart.
const key = ({ index, generation }: { index: number; generation: number }) => `${index}/${generation}`
const shown = new Map<string, number>()
const dissector = new Dissector()
if (onlyNew) for (const iface of capture.interfaces) shown.set(key(iface), limit)

console.log(
  `the first ${plural(limit, 'packet')} of ${onlyNew ? 'every new interface' : 'every interface'}; Ctrl-C ends`,
)
for await (const chunk of capture) {
  for (const packet of chunk) {
    const id = key(packet.interface)
    const before = shown.get(id) ?? 0
    if (before >= limit) continue
    shown.set(id, before + 1)
    dissector.dissect(packet)
    console.log(`${packetLine(packet)}, number ${before + 1}\n  ${dissector.summary()}`)
    console.log(hexdump(packet.data, { length, color, indent: 2 }))
  }
}

console.log(ledger(capture.stats()))
await capture.close()

function commandLine() {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        count: { type: 'string', default: '3' },
        bytes: { type: 'string', default: '256' },
        new: { type: 'boolean', default: false },
      },
    })
    const number = (text: string) => Math.max(1, Number.parseInt(text, 10) || 1)
    return { pattern: positionals[0], limit: number(values.count), length: number(values.bytes), onlyNew: values.new }
  } catch (error) {
    fail(error)
  }
}
