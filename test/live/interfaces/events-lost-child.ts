/** Captures on `hot…` and answers each message of its parent with its interfaces, events and statistics. */
import { Capture } from 'ringtap'
import { sequenceOf } from '../support/send.js'

const capture = await Capture.open({ interfaces: { include: '^hot', hotplug: true } })
const events: string[] = []
capture.on('interface', ({ type, interface: { name, index }, selected }) => {
  events.push(`${type} ${name} ${index}${selected ? ' selected' : ''}`)
})
const packets: string[] = []
const reading = (async () => {
  for await (const packet of capture.packets()) packets.push(`${packet.interface.name} ${sequenceOf(packet.data)}`)
})()
process.on('message', async (text) => {
  if (text === 'stop') {
    await capture.stop()
    await reading
  }
  const interfaces = capture.interfaces.map(({ name, index }) => `${name} ${index}`)
  process.send?.({ interfaces, events, packets, stats: capture.stats() })
  if (text === 'stop') {
    await capture.close()
    process.disconnect()
  }
})
process.send?.('ready')
