// Capture, dissection and a flow table on one thread, live: a million packets a second of 10 000 flows for a minute. What is
// lost, what a packet costs, and whether memory grows.
//
//   node dist/work/bench/dissect/live.js [--seconds N] [--markdown]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { send } from '../../test/live/support/send.js'
import { options } from '../support/options.js'
import { addWire, enterStage, senderProcessor } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import type { LiveReading, LiveTrial } from './live.trial.js'

const flows = 10_000
const rate = 1_000_000

await enterStage(import.meta.url)
const wire = await addWire()
const trial: LiveTrial = { interface: wire.near, flows }
const child = spawn(
  process.execPath,
  [fileURLToPath(new URL('./live.trial.js', import.meta.url)), JSON.stringify(trial)],
  { stdio: ['pipe', 'pipe', 'inherit'] },
)
const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
async function answer<T>(command?: string): Promise<T> {
  if (command) child.stdin.write(`${command}\n`)
  const line = await answers.next()
  if (line.done) throw new Error(`the consumer ended with ${child.exitCode ?? child.signalCode}`)
  return JSON.parse(line.value) as T
}

/** The interface receives frames of the flows in turn. */
async function traffic(seconds: number, perSecond: number) {
  const frames = { count: seconds * perSecond, rate: perSecond, size: 64, flows, port: 1024 }
  const sent = await send({ interface: wire.near, ...frames, inject: true, cpu: senderProcessor })
  await sleep(500)
  return sent
}

const unit = (bytes: number | undefined) => figure((bytes ?? Number.NaN) / 1e6)
try {
  await answer()
  // Until the compiler is done.
  await traffic(3, 200_000)
  await answer('mark')
  const sent = await traffic(options.seconds, rate)
  const reading = await answer<LiveReading>('report')
  const { resident, heap } = reading
  const tenth = Math.min(9, resident.length - 1)
  printTable(
    `Live: ${figure(sent.packetsPerSecond / 1e6)} million packets a second of ${flows} flows for ` +
      `${options.seconds} s, through capture, dissection and flow table on one thread`,
    ['', ''],
    [
      ['frames that the interface received', String(sent.sent)],
      ['packets delivered', String(reading.delivered)],
      ['packets lost', String(reading.lost)],
      ['packets counted in flows', String(reading.counted)],
      ['flows', String(reading.flows)],
      ['CPU ns/packet, all threads', figure((reading.cpu / reading.delivered) * 1e9)],
      ["JavaScript's thread busy, % of the time", figure((reading.busy / sent.seconds) * 100)],
      ['resident memory after 10 s, MB', unit(resident[tenth])],
      ['resident memory at the end, MB', unit(resident.at(-1))],
      ['JavaScript heap after 10 s, MB', unit(heap[tenth])],
      ['JavaScript heap at the end, MB', unit(heap.at(-1))],
    ],
  )
  if (reading.counted !== sent.sent || reading.lost !== 0) {
    console.log(`\nLOST: ${sent.sent - reading.counted} of ${sent.sent}`)
  }
} finally {
  child.stdin.end('end\n')
  const killed = setTimeout(() => child.kill('SIGKILL'), 5000)
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  clearTimeout(killed)
}
