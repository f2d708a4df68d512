// A packet consumer in its own process, driven by bench/support/consumer-process.ts: one command per line of standard
// input, each answered in JSON. bench/native/c_loop.cpp implements the same protocol.
import { readSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { type ConsumerSpec, Meter, openConsumer } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

const answer = (value: object) => console.log(JSON.stringify(value))

const meter = new Meter()
const opening = performance.now()
const consumer = await openConsumer(trialArgument<ConsumerSpec>(), meter)
answer({ ready: true, seconds: (performance.now() - opening) / 1000 })

let cpu = process.cpuUsage()
let wakeups = 0
const voluntary = () => process.resourceUsage().voluntaryContextSwitches
const reset = () => {
  meter.reset()
  cpu = process.cpuUsage()
  wakeups = voluntary()
}
const report = () => {
  const { user, system } = process.cpuUsage(cpu)
  answer({
    packets: meter.packets,
    bytes: meter.bytes,
    rate: (meter.timed / (meter.ended - meter.began)) * 1000,
    cpu: (user + system) / 1e6,
    wakeups: voluntary() - wakeups,
    check: meter.check,
  })
}

for await (const command of createInterface({ input: process.stdin })) {
  if (command === 'mark') {
    reset()
    answer({})
  } else if (command === 'report') {
    report()
  } else if (command === 'fill') {
    reset()
    answer({ stalled: true })
    // Blocks the event loop until the other end reports that the buffer is full.
    readSync(3, Buffer.alloc(1))
    await meter.quiet()
    report()
  } else {
    break
  }
}
await consumer.close()
process.exit(0)
