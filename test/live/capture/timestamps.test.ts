/**
 * The clock of packets' timestamps. Network cards of test machines have no clock that can be relied on, so no packet here
 * has a hardware timestamp: test/packets/timestamp-source.test.ts reads a record that has one, and
 * test/native/capture/ring_live_test.cpp reads back what the kernel was given.
 */
import { Capture, type CaptureError, type CaptureOptions } from 'ringtap'
import t from '../support/live.js'
import { addVeth, del, ip } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'

addVeth('eth0', 'far0')

/** Sends 5 frames from eth0 to far0; returns the sources of the packets of both, with how many have each. */
async function sources(options: CaptureOptions): Promise<Record<string, number>> {
  await using capture = await Capture.open({ ...options, interfaces: ['eth0', 'far0'] })
  const counts: Record<string, number> = {}
  const done = (async () => {
    for await (const packet of capture.packets()) {
      const json = JSON.parse(JSON.stringify(packet))
      const key = `${packet.interface.name} ${packet.timestampSource} ${json.timestampSource} ${packet.copy().timestampSource}`
      counts[key] = (counts[key] ?? 0) + 1
    }
  })()
  sendSync({ interface: 'eth0', count: 5 })
  await capture.stop()
  await done
  return counts
}

const system = { 'eth0 system system system': 5, 'far0 system system system': 5 }

for (const { way, options, skip } of ways) {
  t.test(`packets have the system's clock, ${way}`, { skip }, async (t) => {
    t.strictSame(await sources(options), system)
    t.strictSame(await sources({ ...options, timestamps: 'system' }), system)
  })
}

t.test('with hardware timestamps, packets that no device stamps have the system clock', async (t) => {
  const before = BigInt(Date.now()) * 1_000_000n
  t.strictSame(await sources({ timestamps: 'hardware' }), system)
  t.strictSame(await sources({ timestamps: 'hardware', ring: { count: 2 } }), system)
  await using capture = await Capture.open({ timestamps: 'hardware', interfaces: 'far0' })
  sendSync({ interface: 'eth0', count: 1 })
  for await (const packet of capture.packets()) {
    t.ok(packet.timestamp >= before, `${packet.timestamp} is not before ${before}`)
    break
  }
})

t.test('a warning names each selected interface without hardware timestamps, once', async (t) => {
  const warnings: CaptureError[] = []
  const named = () => warnings.map((warning) => warning.interface).sort()
  await using capture = await Capture.open({ timestamps: 'hardware', interfaces: { include: '^eth', hotplug: true } })
  capture.on('warning', (warning) => warnings.push(warning))
  await waitUntil(() => warnings.length > 0, 'the warning about eth0', undefined, named)
  addVeth('eth1', 'far1')
  await waitUntil(() => warnings.length > 1, 'the warning about eth1', undefined, named)
  ip('link', 'set', 'eth1', 'mtu', '1400') // an event of an interface that there was a warning of
  addVeth('other0', 'other1') // not selected
  addVeth('eth2', 'far2')
  await waitUntil(() => named().includes('eth2'), 'the warning about eth2', undefined, named)
  t.strictSame(named(), ['eth0', 'eth1', 'eth2'])
  for (const { code, option, interface: name, message } of warnings) {
    t.match({ code, option }, { code: 'ERR_OPTION', option: 'timestamps' })
    t.equal(
      message,
      `${name} has no hardware timestamps for received packets: its packets have the system clock's time, unless ` +
        'another device has stamped them. packet.timestampSource is the source of each',
    )
  }
  for (const name of ['eth1', 'eth2', 'other0']) del(name)
})

t.test('without the option there is no such warning', async (t) => {
  const warnings: CaptureError[] = []
  await using capture = await Capture.open({ interfaces: { include: '^eth', hotplug: true } })
  capture.on('warning', (warning) => warnings.push(warning))
  const appeared = new Promise<void>((resolve) => {
    capture.on('interface', ({ type, interface: { name } }) => type === 'added' && name === 'eth3' && resolve())
  })
  addVeth('eth3', 'far3')
  await appeared
  await capture.stop()
  t.strictSame(warnings, [])
  del('eth3')
})
