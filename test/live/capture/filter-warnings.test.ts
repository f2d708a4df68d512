/** Warnings about filters and address sets that cannot be applied to a captured interface. */
import { Capture, type CaptureError, type CaptureOptions } from 'ringtap'
import { reading } from '../support/collect.js'
import { tcp, udp } from '../support/connections.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, ip } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { openTun, type Tun, tunAvailable } from '../support/tun.js'
import { waitUntil } from '../support/wait.js'
import { backends } from '../support/ways.js'

const noTun = tunAvailable() ? false : 'no access to /dev/net/tun: devices of other types cannot be made'

addVeth('eth0', 'far0')

/** ARPHRD_ numbers of devices that have no link type. */
const types = { ib0: 32, can0: 280, wpan0: 804, lowpan0: 825, vsockmon0: 826, nlmon0: 824 }
const names = Object.keys(types)

/** A capture that is read continuously, with its warnings. */
class Watched implements AsyncDisposable {
  readonly warnings: CaptureError[] = []
  readonly capture: Capture
  readonly #reading: ReturnType<typeof reading>

  private constructor(capture: Capture) {
    this.capture = capture
    capture.on('warning', (warning) => this.warnings.push(warning))
    this.#reading = reading(capture)
  }

  static async open(options: CaptureOptions): Promise<Watched> {
    const watched = new Watched(await Capture.open(options))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    return watched
  }

  /** The interfaces that the warnings name. */
  get warned(): (string | undefined)[] {
    return this.warnings.map((warning) => warning.interface)
  }

  /** Waits for this number of packets, stops, and returns the number of packets of each interface. */
  async counts(total: number): Promise<Record<string, number>> {
    await waitUntil(
      () => this.#reading.packets.length >= total,
      `${total} packets`,
      20_000,
      () => this.#reading.packets.length,
    )
    const stats = await this.capture.stop()
    await this.#reading.done
    if (imbalances(stats).length > 0) throw new Error(imbalances(stats).join('; '))
    const counts: Record<string, number> = {}
    for (const { interface: name } of this.#reading.packets) counts[name] = (counts[name] ?? 0) + 1
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.capture.close()
  }
}

async function openDevices(): Promise<Tun[]> {
  const devices: Tun[] = []
  for (const [name, type] of Object.entries(types)) devices.push(await openTun(name, type))
  return devices
}

const closeAll = (devices: readonly Tun[]) => Promise.all(devices.map((device) => device.close()))

/** Sends 10 frames on eth0, and writes 3 packets of 198.18.0.1 into each device. */
async function traffic(devices: readonly Tun[]): Promise<void> {
  for (const device of devices) await device.write({ count: 3 })
  sendSync({ interface: 'eth0', count: 10 })
}

const each = (count: number) => Object.fromEntries(names.map((name) => [name, count]))
const excluded = { excludeHosts: '203.0.113.1' }
const included = { includeHosts: '198.18.0.0/15' }

for (const { table, skip } of tables) {
  const ring = { table }
  const interfaces = ['eth0', ...names]

  t.test(`devices without a link type, ${table}`, { skip: skip || noTun }, async (t) => {
    const devices = await openDevices()
    for (const [options, what] of [
      [
        { filter: 'udp port 9' },
        /: the filter cannot be applied to it, and nothing is captured on it\. Capture it with/,
      ],
      [{ filter: 'udp', ...excluded }, /: the filter cannot be applied to it, and nothing is captured/],
      [
        included,
        /: includeHosts cannot be applied to it, and nothing is captured on it\. Capture it with backend: 'pcap'/,
      ],
    ] as const) {
      await using watched = await Watched.open({ interfaces, ring, ...options })
      t.same(watched.warned, names, 'each is named, once')
      for (const [at, name] of names.entries()) {
        const type = Object.values(types)[at]
        t.match(watched.warnings[at], { code: 'ERR_OPTION', interface: name, message: what })
        t.ok(
          watched.warnings[at]?.message.startsWith(`no link type is known for ${name} (device type ${type} of linux/`),
        )
      }
      await traffic(devices)
      t.same(await watched.counts(10), { eth0: 10 }, 'as it says')
      t.same(watched.warned, names)
    }

    for (const options of [excluded, { excludeHosts: '198.18.0.0/15' }]) {
      await using watched = await Watched.open({ interfaces, ring, ...options })
      t.same(watched.warned, names)
      t.match(
        watched.warnings[0]?.message,
        /: excludeHosts cannot be applied to it, and all its packets are captured\./,
      )
      await traffic(devices)
      const eth0: Record<string, number> = options === excluded ? { eth0: 10 } : {}
      t.same(await watched.counts(names.length * 3 + (options === excluded ? 10 : 0)), { ...each(3), ...eth0 })
    }

    {
      const excludeConnections = udp('198.18.0.1', 9, '198.18.0.2', 9) // all of the traffic
      await using watched = await Watched.open({ interfaces, ring, excludeConnections })
      t.same(watched.warned, names)
      const message = /: excludeConnections cannot be applied to it, and all its packets are captured\./
      t.match(watched.warnings[0]?.message, message)
      await traffic(devices)
      t.same(await watched.counts(names.length * 3), each(3))
    }

    for (const options of [{}, { filter: '' }, { filter: ' \n' }]) {
      await using watched = await Watched.open({ interfaces, ring, ...options })
      await traffic(devices)
      t.same(await watched.counts(names.length * 3 + 10), { ...each(3), eth0: 10 }, 'without a filter everything comes')
      t.same(watched.warned, [])
    }
    await closeAll(devices)
  })

  t.test(`a filter that is set later, and devices that come later, ${table}`, { skip: skip || noTun }, async (t) => {
    const first = await openTun('ib0', types.ib0)
    await using watched = await Watched.open({ interfaces: { include: ['^ib', '^eth'], hotplug: true }, ring })
    const { capture } = watched
    t.same(watched.warned, [])
    await capture.setFilter('udp port 9')
    t.same(watched.warned, ['ib0'], 'with the filter')
    await capture.setFilter('udp')
    await capture.setHosts({ exclude: '203.0.113.1' })
    ip('link', 'set', 'ib0', 'mtu', '1400')
    const second = await openTun('ib1', types.ib0)
    const other = await openTun('can1', types.can0)
    await waitUntil(() => watched.warned.includes('ib1'), 'the warning of ib1')
    await first.close()
    const again = await openTun('ib0', types.ib0)
    await waitUntil(() => watched.warned.length === 3, 'the warning of the new ib0')
    t.same(watched.warned, ['ib0', 'ib1', 'ib0'], 'once for each device, and for none that is not selected')
    await again.write({ count: 5 })
    await capture.setFilter(undefined)
    await capture.setHosts({ exclude: [] })
    await again.write({ count: 4 })
    t.same(await watched.counts(4), { ib0: 4 })
    await closeAll([again, second, other])
  })

  t.test(`address sets that are set later, ${table}`, { skip: skip || noTun }, async (t) => {
    const device = await openTun('ib0', types.ib0)
    await using watched = await Watched.open({ interfaces: 'ib0', ring })
    await watched.capture.setHosts({ include: '198.18.0.0/15' })
    t.match(watched.warnings, [{ interface: 'ib0', message: /: includeHosts cannot be applied/ }])
    await device.close()
  })

  t.test(`connections that are excluded later, ${table}`, { skip: skip || noTun }, async (t) => {
    const device = await openTun('ib0', types.ib0)
    await using watched = await Watched.open({ interfaces: 'ib0', ring })
    await watched.capture.setConnections([])
    t.same(watched.warnings, [])
    await watched.capture.setConnections(tcp('192.0.2.1', 1, '192.0.2.2', 2))
    t.match(watched.warnings, [{ interface: 'ib0', message: /: excludeConnections cannot be applied/ }])
    await device.close()
  })
}

t.test('libpcap has link types for them', { skip: noTun }, async (t) => {
  const device = await openTun('ib0', types.ib0)
  await using watched = await Watched.open({ backend: 'pcap', interfaces: ['eth0', 'ib0'], filter: 'udp port 9' })
  await device.write({ count: 5 })
  await device.write({ count: 5, port: 5000 })
  sendSync({ interface: 'eth0', count: 10 })
  t.same(await watched.counts(15), { eth0: 10, ib0: 5 }, 'and filters')
  t.same(watched.warned, [])
  await device.close()
})

for (const backend of backends) {
  // Raw IP has no addresses of a link layer.
  const filter = 'ether host 02:00:00:00:00:02'
  const refusal = /^the filter cannot be applied to devices of link type 101, nothing is captured on them: /

  t.test(`only selected interfaces have warnings, ${backend}`, { skip: noTun }, async (t) => {
    const devices = [await openTun('tun0'), await openTun('tun1'), await openTun('tun2')]
    {
      await using watched = await Watched.open({ backend, interfaces: 'eth0', filter })
      await watched.capture.setFilter('ether host 02:00:00:00:00:02 or arp')
      sendSync({ interface: 'eth0', count: 10 })
      t.same(await watched.counts(10), { eth0: 10 })
      t.same(watched.warnings, [], 'none of the tun devices is selected')
    }
    {
      await using watched = await Watched.open({ backend, interfaces: ['eth0', 'tun1', 'tun2'], filter })
      const warnedAgain = (count: number) => waitUntil(() => watched.warnings.length >= count, `warning ${count}`)
      await warnedAgain(1)
      await watched.capture.setFilter('ether host 02:00:00:00:00:02 or arp')
      await warnedAgain(2)
      await watched.capture.setFilter('ip')
      await watched.capture.setFilter(filter)
      await warnedAgain(3)
      sendSync({ interface: 'eth0', count: 10 })
      t.same(await watched.counts(10), { eth0: 10 })
      t.match(
        watched.warnings,
        Array.from({ length: 3 }, () => ({ code: 'ERR_OPTION', interface: 'tun1', message: refusal })),
        'once for each filter',
      )
      t.equal(watched.warnings.length, 3)
    }
    const [last] = devices.slice(-1) as [Tun]
    await closeAll(devices.slice(0, -1))
    await last.close()
    {
      await using watched = await Watched.open({
        backend,
        interfaces: { include: ['^eth', '^tun1'], hotplug: true },
        filter,
      })
      const other = await openTun('tun2')
      const wanted = await openTun('tun1')
      await waitUntil(() => watched.warnings.length > 0, 'the warning')
      t.match(watched.warnings, [{ interface: 'tun1', message: refusal }])
      await closeAll([other, wanted])
    }
  })
}
