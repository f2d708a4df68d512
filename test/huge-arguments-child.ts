/**
 * Passes texts of 200 MB where the library takes a text, with less memory left than a copy of one needs. Prints the
 * error of each call as JSON.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import {
  Capture,
  CaptureError,
  compileFilter,
  convertFiles,
  explainSelection,
  Injector,
  listInterfaces,
  openFile,
  type Packet,
  replay,
  SavefileWriter,
  watchInterfaces,
} from 'ringtap'

const MB = 1_000_000
const [input = '', output = ''] = process.argv.slice(2)
const text = Buffer.alloc(200 * MB, 'a').toString('latin1')
const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() })

const packets: Packet[] = []
for await (const chunk of await openFile(input)) for (const packet of chunk) packets.push(packet.copy())

const calls: Record<string, () => unknown> = {
  compileFilter: () => compileFilter(text),
  'Capture.open filter': () => Capture.open({ filter: text }),
  'Capture.open interfaces': () => Capture.open({ interfaces: text }),
  'Capture.open include': () => Capture.open({ interfaces: { include: text } }),
  'Capture.open includeHosts': () => Capture.open({ includeHosts: text }),
  'Capture.open netns': () => Capture.open({ netns: text }),
  'explainSelection include': () => explainSelection('eth0', { include: text }),
  'explainSelection name': () => explainSelection(text, { include: 'eth0' }),
  listInterfaces: () => listInterfaces({ netns: text }),
  watchInterfaces: () => watchInterfaces({ netns: text }),
  openFile: () => openFile(text),
  'openFile filter': () => openFile(input, { filter: text }),
  'convertFiles inputs': () => convertFiles(text, output),
  'convertFiles output': () => convertFiles(input, text),
  'convertFiles filter': () => convertFiles(input, output, { filter: text }),
  'replay file': () => replay(text, { interface: 'eth0' }),
  'replay interface': () => replay(input, { interface: text }),
  'Injector.open': () => Injector.open(text),
  'Injector.open netns': () => Injector.open('eth0', { netns: text }),
  'SavefileWriter.open': () => SavefileWriter.open(text),
  'SavefileWriter filter': () => new SavefileWriter(nowhere(), { filter: text }),
  'SavefileWriter comment': () => new SavefileWriter(nowhere(), { comment: text }),
  // 1000 times 500 KB, of which nothing can be written before all of it is there.
  'SavefileWriter.write': () =>
    new SavefileWriter(nowhere()).write(
      Array.from({ length: 1000 }, () => packets[0] as Packet),
      { comment: Array.from({ length: 10 }, () => 'c'.repeat(50_000)) },
    ),
}

const status = readFileSync('/proc/self/status', 'utf8')
const used = Number(/^VmSize:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
execFileSync('prlimit', ['--pid', `${process.pid}`, `--as=${used + 120 * MB}`])

const results: Record<string, unknown> = {}
for (const [what, call] of Object.entries(calls)) {
  try {
    await call()
    results[what] = 'done'
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    const { code, option, errno, message } = error
    results[what] = { code, ...(option && { option }), ...(errno && { errno }), short: message.length < 400 }
  }
}
console.log(JSON.stringify(results))
