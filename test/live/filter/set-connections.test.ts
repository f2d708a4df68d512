import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Capture } from 'ringtap'
import { numberOf } from '../support/addresses.js'
import { packetOf, passesConnections, reversed, type Tuple, tcp, udp } from '../support/connections.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, up } from '../support/network.js'
import { replacedUnderTraffic } from '../support/replaced-under-traffic.js'
import { replaySync } from '../support/replay.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'

addVeth('eth0', 'far0')

/** Numbered packets of these connections in turn. */
const of = (connections: readonly Tuple[], start: number, count: number) =>
  Array.from({ length: count }, (_, i) => packetOf(start + i, connections[i % connections.length] as Tuple))

/** `count` connections without a pattern, the same on each call. */
const scattered = (count: number, six = false) =>
  Array.from({ length: count }, (_, i) => {
    const bits = Math.imul(i, 0x9e3779b1) >>> 0
    const address = [20 + (bits >>> 28), (bits >>> 16) & 0xff, (bits >>> 8) & 0xff, i & 0xff]
    return (i % 2 ? tcp : udp)(
      six ? `2001:db8:${address.map((byte) => byte.toString(16)).join(':')}::1` : address.join('.'),
      1024 + (bits % 60_000),
      six ? '2001:db8::443' : '203.0.113.9',
      443,
    )
  })

const one = tcp('10.0.0.1', 40_000, '10.0.0.2', 443)
const two = tcp('10.0.0.1', 40_001, '10.0.0.2', 443)
const three = udp('2001:db8::1', 40_000, '2001:db8::2', 53)
/** What `send` sends. */
const sent = udp('198.18.0.1', 9, '198.18.0.2', 9)

for (const { way, options, skip } of ways) {
  t.test(`connections replaced under traffic lose no packet and admit no wrong one, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', excludeConnections: one, ...options })
    // None of these is of the packets from 198.18.0.1, port 9, to 198.18.0.2, port 9, which `send` sends.
    const lists: Tuple[][] = [
      scattered(200),
      [],
      [{ ...sent, protocol: 'tcp' }, { ...sent, localPort: 8 }, one],
      [...scattered(40, true), ...scattered(40)],
      [one],
      [udp('198.18.0.1', 9, '198.18.0.3', 9), udp('198.18.0.2', 9, '198.18.0.2', 9)],
    ]
    const received = await replacedUnderTraffic(t, {
      capture,
      numberOf,
      traffic: {},
      harmless: lists.map((list) => () => capture.setConnections(list)),
      refuse: () => capture.setConnections([reversed(sent)]),
      sendAccepted: (start, count) => replaySync('eth0', of([one, two], start, count)),
    })
    const stats = capture.stats()
    t.same(imbalances(stats), [])
    t.equal(stats.received, received)
  })

  t.test(`rapid changes between disjoint lists admit no wrong packet, ${way}`, { skip }, async (t) => {
    // Two connections in turn. After a change has resolved, no packet of the excluded one is delivered.
    await using capture = await Capture.open({ interfaces: 'eth0', ...options })
    let excluded: number | undefined // the parity of the packets that must not be delivered
    let wrong = 0
    const counts = [0, 0]
    const reading = (async () => {
      for await (const chunk of capture) {
        chunk.forEach((packet) => {
          const parity = (numberOf(packet.data) as number) % 2
          counts[parity] = (counts[parity] as number) + 1
          if (parity === excluded) wrong++
        })
      }
    })()
    const pair = [one, three]
    const frames = of(pair, 0, 10_000)
    for (let round = 0; round < 6; round++) {
      const now = round % 2
      excluded = undefined
      await capture.setConnections(pair[now] as Tuple)
      excluded = now
      replaySync('eth0', frames)
      // The next list would also be applied to packets not yet taken from the ring.
      const all = 5000 * (round + 1)
      await waitUntil(
        () => wrong > 0 || (counts[0] as number) + (counts[1] as number) >= all,
        'half of them',
        undefined,
        () => counts,
      )
    }
    await capture.stop()
    await reading
    t.equal(wrong, 0)
    t.same(counts, [15_000, 15_000])
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`setConnections() can be awaited in the body of the loop, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ...options })
    replaySync('eth0', of([one], 0, 5))
    const seen: number[] = []
    let changed = false
    for await (const chunk of capture) {
      for (const packet of chunk) seen.push(numberOf(packet.data) as number)
      if (changed || seen.length < 5) continue
      changed = true
      replaySync('eth0', of([one, two], 100, 100))
      await waitUntil(() => capture.stats().queued === 100, 'them to wait in the queue')
      await capture.setConnections([one])
      replaySync('eth0', of([one], 300, 5))
      replaySync('eth0', of([three], 400, 5))
      void capture.stop()
    }
    const kept = Array.from({ length: 50 }, (_, i) => 101 + 2 * i)
    t.same(seen, [0, 1, 2, 3, 4, ...kept, 400, 401, 402, 403, 404])
    t.equal(capture.stats().received, 60, 'what the new list keeps out is not counted as received')
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`filter, address sets and connections can be replaced independently, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: 'eth0',
      filter: 'udp port 7',
      excludeConnections: [one],
      ...options,
    })
    const seen: number[] = []
    const reading = (async () => {
      for await (const packet of capture.packets()) seen.push(numberOf(packet.data) as number)
    })()
    let start = 0
    // The last packet, of port 7, passes every filter and list below.
    const traffic = async () => {
      replaySync('eth0', of([one, two, three], start, 3))
      sendSync({ interface: 'eth0', count: 1, port: 7, start: start + 3 })
      await waitUntil(
        () => seen.includes(start + 3),
        `packet ${start + 3}`,
        undefined,
        () => seen,
      )
      start += 10
    }
    await traffic() // 3
    await capture.setFilter('udp or tcp')
    await traffic() // 11, 12, 13
    await capture.setConnections([three])
    await traffic() // 20, 21, 23
    if (way !== 'pcap') await capture.setHosts({ exclude: '203.0.113.1' })
    await traffic() // 30, 31, 33
    await capture.setFilter('udp')
    await traffic() // 43
    await Promise.all([capture.setConnections([two]), capture.setFilter(undefined)])
    await traffic() // 50, 52, 53
    await capture.setConnections([])
    await traffic() // 60, 61, 62, 63
    await capture.stop()
    await reading
    t.same(seen, [3, 11, 12, 13, 20, 21, 23, 30, 31, 33, 43, 50, 52, 53, 60, 61, 62, 63])
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`a change that fails leaves the old list in force, ${way}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', excludeConnections: one, ...options })
    const bad = async (list: unknown, message: RegExp) =>
      await t.rejects(capture.setConnections(list as never), { code: 'ERR_OPTION', message })
    await bad([two, { ...one, localAddress: '10.0.0' }], /^connections\[1\]\.localAddress must be an IPv4 or IPv6/)
    await bad({ ...one, remotePort: 70_000 }, /^connections\.remotePort must be a whole number from 1 to 65535/)
    await bad(undefined, /^connections must be a connection: \{.* got undefined/)
    if (way !== 'ebpf') {
      await t.rejects(capture.setConnections(scattered(10_000)), {
        code: 'ERR_FILTER_TOO_LARGE',
        message: /room for \d+/,
      })
    }
    replaySync('eth0', of([one, two], 0, 20))
    t.equal((await capture.stop()).received, 10)
    await capture.close()
    await t.rejects(capture.setConnections([two]), { code: 'ERR_CLOSED' })
  })

  t.test(`a socket's own connection is kept out, and nothing else of its host, ${way}`, { skip }, async (t) => {
    up('lo')
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const open = async () => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      return socket
    }
    const own = await open()
    const other = await open()
    await using capture = await Capture.open({ interfaces: 'lo', excludeConnections: [own], ...options })
    const ports = new Set<number>()
    const reading = (async () => {
      for await (const packet of capture.packets()) {
        for (const at of [34, 36]) ports.add(packet.readUInt16BE(at)) // Ethernet, IPv4 without options, TCP
      }
    })()
    for (const socket of [own, other]) {
      socket.write('hello')
      await once(socket, 'data')
    }
    await capture.stop()
    await reading
    t.same([...ports].sort(), [port, other.localPort as number].sort())
    for (const socket of [own, other]) socket.destroy()
    server.close()
  })
}

const [ebpf] = tables

t.test('a hundred thousand connections give the right verdicts', { skip: ebpf?.skip ?? false }, async (t) => {
  const list = [...scattered(70_000), ...scattered(30_000, true)]
  await using capture = await Capture.open({ interfaces: 'eth0', excludeConnections: list })
  t.equal(capture.stats().ring.table, 'ebpf')
  const others: Tuple[] = list.map((tuple) => ({ ...tuple, remotePort: 444 }))
  const sample = <T>(from: readonly T[]) => Array.from({ length: 500 }, (_, i) => from[i * 199 + 7] as T)
  const frames = sample(list).flatMap((tuple, i) => [
    packetOf(3 * i, tuple),
    packetOf(3 * i + 1, reversed(tuple)),
    packetOf(3 * i + 2, sample(others)[i] as Tuple),
  ])
  const seen: number[] = []
  const reading = (async () => {
    for await (const packet of capture.packets()) seen.push(numberOf(packet.data) as number)
  })()
  replaySync('eth0', frames)
  await capture.stop()
  await reading
  t.same(
    seen,
    Array.from({ length: 500 }, (_, i) => 3 * i + 2),
  )
  t.same(imbalances(capture.stats()), [])
})

t.test('no eBPF map outlives its list', { skip: ebpf?.skip ?? false }, async (t) => {
  const maps = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('bpf-map')
      } catch {
        return false // the descriptor of the directory being read
      }
    }).length
  const before = maps()
  await using capture = await Capture.open({ interfaces: 'eth0', excludeConnections: one })
  const first = maps()
  t.ok(first > before)
  for (let i = 0; i < 5; i++) await capture.setConnections([one, two, three])
  t.equal(maps(), first + 1, 'a map for each IP version')
  await t.rejects(capture.setConnections({ ...one, localAddress: 'nobody' }), { code: 'ERR_OPTION' })
  await capture.setConnections([])
  t.equal(maps(), first - 1)
  await capture.close()
  t.equal(maps(), before)
})

t.test('more connections than a classic program can hold are refused, those that fit are not', async (t) => {
  const message =
    /^excludeConnections has (\d+) connections, and .* has room for (\d+) of them .*CAP_BPF.* up to 100000/
  for (const way of [{ ring: { table: 'classic' } }, { backend: 'pcap' }] as const) {
    const open = (excludeConnections: Tuple[], filter?: string) =>
      Capture.open({ interfaces: 'eth0', excludeConnections, filter, ...way })
    const room = async (list: Tuple[], filter?: string): Promise<number> => {
      try {
        await (await open(list, filter)).close()
      } catch (error) {
        t.match(error, { code: 'ERR_FILTER_TOO_LARGE', option: 'excludeConnections', message })
        const [, all, fits] = message.exec((error as Error).message) ?? []
        t.equal(Number(all), list.length)
        return Number(fits)
      }
      t.fail(`${list.length} fit`)
      return 0
    }
    const four = await room(scattered(10_000))
    t.ok(four >= 600, `${four} connections of IPv4 fit`)
    const six = await room(scattered(10_000, true))
    t.ok(six >= 180, `${six} connections of IPv6 fit`)
    const beside = await room(scattered(10_000), 'tcp portrange 1-100 or udp')
    t.ok(beside > 500 && beside < four, `${beside} fit beside a filter`)
    // The number depends on which they are: these are the first ones, so that they fit for certain if 50 more would.
    const fitting = scattered(four - 50)
    await using capture = await open(fitting)
    const other = tcp('192.0.2.1', 1, '192.0.2.2', 2)
    const frames = [...fitting, other].map((tuple, i) => packetOf(i, tuple))
    replaySync('eth0', frames)
    t.equal((await capture.stop()).received, frames.filter((each) => passesConnections(each, fitting)).length)
  }
})
