// A node with eight containers behind a bridge, and more that are plugged in while packets flow.
import { Dissector } from 'ringtap'
import { collectorPort } from '../../src/demo/lab.js'
import { eachStored } from '../../src/demo/stored.js'
import { labFor, settle } from '../support/end-to-end.js'
import t from '../support/live.js'

t.test('eight containers, hot-plugged ones, and the connection of the sensor itself', async (t) => {
  const lab = await labFor(t, 8)
  const collector = await lab.startCollector()
  const sensor = await lab.startSensor({ NETWORK_DEVICE_INCLUDELIST: '^veth ^uplink' })
  const { containers } = lab
  const among = (frames: number) =>
    Promise.all(containers.map((from, i) => lab.talk(from, containers[(i + 3) % containers.length]!, frames)))
  await among(2000)
  const flowing = among(4000)
  for (let i = 0; i < 3; i++) {
    const added = await lab.addContainer()
    // At once, and as fast as it can.
    await lab.talk(added, containers[0]!, 500, { rate: 0 })
  }
  await flowing
  await among(100)
  const { final, lost } = await settle(t, lab, sensor)
  t.equal(lost, 0)
  t.equal(final.captured, 2 * lab.talked, 'the traffic of the sensor itself is not captured')

  const perInterface = new Map<string, number>()
  const dissector = new Dissector()
  let own = 0
  await eachStored(lab.store, (packet) => {
    const { name } = packet.interface
    perInterface.set(name, (perInterface.get(name) ?? 0) + 1)
    dissector.dissect(packet)
    if (dissector.sourcePort === collectorPort || dissector.destinationPort === collectorPort) own++
  })
  t.equal(own, 0)
  t.strictSame([...perInterface.keys()].sort(), containers.map(({ veth }) => veth).sort())
  for (const { veth, number } of containers.slice(8)) {
    // It sent 500 and then 100, and received 100.
    t.equal(perInterface.get(veth), 500 + 200, `container ${number}`)
  }
  t.equal(await collector.stop(), 0)
})
