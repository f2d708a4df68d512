import { spawnSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Capture } from 'ringtap'
import { addressed, numberOf } from '../support/addresses.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { replacedUnderTraffic } from '../support/replaced-under-traffic.js'
import { replaySync } from '../support/replay.js'
import { sendSync } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

/** Numbered packets from these addresses in turn. */
const from = (sources: readonly string[], start: number, count: number) =>
  Array.from({ length: count }, (_, i) => addressed(start + i, sources[i % sources.length] as string, '172.16.0.1'))

/** `count` addresses without a pattern, the same on each call. */
const scattered = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const bits = Math.imul(i, 0x9e3779b1) >>> 0
    return [20 + (bits >>> 28), (bits >>> 16) & 0xff, (bits >>> 8) & 0xff, i & 0xff].join('.')
  })

for (const { table, skip } of tables) {
  t.test(`address sets replaced under traffic lose no packet and admit no wrong one, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', excludeHosts: '10.0.0.1', ring: { table } })
    // Sets that all accept packets from 198.18.0.1 to 198.18.0.2, which `send` sends.
    const some = scattered(500)
    const sets = [
      { exclude: some, include: [] },
      { include: ['198.18.0.0/15'] },
      { exclude: ['10.0.0.0/8', '2001:db8::/32'], include: ['198.18.0.1', '::/0'] },
      { exclude: [] },
      { include: [...some, '198.18.0.2'] },
      { exclude: '198.18.0.3', include: [] },
    ]
    const received = await replacedUnderTraffic(t, {
      capture,
      numberOf,
      traffic: {},
      harmless: sets.map((set) => () => capture.setHosts(set)),
      refuse: () => capture.setHosts({ exclude: '198.18.0.2', include: [] }),
      sendAccepted: (start, count) => replaySync('eth0', from(['10.0.0.1', '10.0.0.2'], start, count)),
    })
    const stats = capture.stats()
    t.same(imbalances(stats), [])
    t.equal(stats.received, received)
  })

  t.test(`rapid changes between disjoint sets admit no wrong packet, ${table}`, { skip }, async (t) => {
    // Two alternating sources. After a change has resolved, no packet of the excluded source is delivered.
    const sources = ['10.0.0.1', '10.0.0.2']
    await using capture = await Capture.open({ interfaces: 'eth0', ring: { table } })
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
    const frames = from(sources, 0, 20_000)
    for (let round = 0; round < 6; round++) {
      const now = round % 2
      excluded = undefined
      await capture.setHosts(round < 3 ? { exclude: sources[now] } : { exclude: [], include: sources[1 - now] })
      excluded = now
      replaySync('eth0', frames)
      // The next set would also be applied to packets not yet taken from the ring.
      const all = 10_000 * (round + 1)
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
    t.same(counts, [30_000, 30_000])
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`setHosts() can be awaited in the body of the loop, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', ring: { table } })
    replaySync('eth0', from(['10.0.0.1'], 0, 5))
    const seen: number[] = []
    let changed = false
    for await (const chunk of capture) {
      for (const packet of chunk) seen.push(numberOf(packet.data) as number)
      if (changed || seen.length < 5) continue
      changed = true
      replaySync('eth0', from(['10.0.0.1', '10.0.0.2'], 100, 100))
      await waitUntil(() => capture.stats().queued === 100, 'them to wait in the queue')
      await capture.setHosts({ exclude: ['10.0.0.1'] })
      replaySync('eth0', from(['10.0.0.1'], 300, 5))
      replaySync('eth0', from(['10.0.0.3'], 400, 5))
      void capture.stop()
    }
    const kept = Array.from({ length: 50 }, (_, i) => 101 + 2 * i)
    t.same(seen, [0, 1, 2, 3, 4, ...kept, 400, 401, 402, 403, 404])
    t.equal(capture.stats().received, 60, 'what the new set has refused is not counted as received')
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`filter and address sets can be replaced independently, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({
      interfaces: 'eth0',
      filter: 'udp port 7',
      excludeHosts: '10.0.0.1',
      includeHosts: ['10.0.0.0/8', '198.18.0.0/15'],
      ring: { table },
    })
    const seen: number[] = []
    const reading = (async () => {
      for await (const packet of capture.packets()) seen.push(numberOf(packet.data) as number)
    })()
    let start = 0
    // From 10.0.0.1, 10.0.0.2 and 11.0.0.1 to port 9; from 198.18.0.1 to port 7.
    const traffic = async () => {
      replaySync('eth0', from(['10.0.0.1', '10.0.0.2', '11.0.0.1'], start, 3))
      sendSync({ interface: 'eth0', count: 1, port: 7, start: start + 3 })
      // The last packet of each group always passes, except in the last group.
      const last = start === 50 ? 52 : start + 3
      await waitUntil(
        () => seen.includes(last),
        `packet ${last}`,
        undefined,
        () => seen,
      )
      start += 10
    }
    await traffic() // 3
    await capture.setFilter('udp')
    await traffic() // 11, 13
    await capture.setHosts({ exclude: [] })
    await traffic() // 20, 21, 23
    await capture.setFilter('udp port 7')
    await traffic() // 33
    await capture.setFilter(undefined)
    await capture.setHosts({ include: [] })
    await traffic() // 40, 41, 42, 43
    await capture.setHosts({})
    await Promise.all([capture.setHosts({ exclude: ['10.0.0.0/30'] }), capture.setFilter('udp port 9')])
    await traffic() // 52
    await capture.stop()
    await reading
    t.same(seen, [3, 11, 13, 20, 21, 23, 33, 40, 41, 42, 43, 52])
    t.same(imbalances(capture.stats()), [])
  })

  t.test(`a change that fails leaves the old sets in force, ${table}`, { skip }, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', excludeHosts: '10.0.0.1', ring: { table } })
    const bad = async (hosts: unknown, message: RegExp) =>
      await t.rejects(capture.setHosts(hosts as never), { code: 'ERR_OPTION', message })
    await bad({ exclude: ['10.0.0.2', '10.0.0'] }, /^exclude\[1\] must be .*four numbers/)
    await bad({ include: '10.0.0.1/8' }, /^include must be .*the network is 10\.0\.0\.0\/8/)
    await bad({ exclude: [], include: ['::1', 7] }, /^include\[1\] must be .*the number 7/)
    await bad({ excludeHosts: [] }, /excludeHosts is not an option; known are exclude, include/)
    await bad(undefined, /hosts must be an object/)
    if (table === 'classic') {
      await t.rejects(capture.setHosts({ exclude: scattered(10_000) }), { code: 'ERR_FILTER_TOO_LARGE' })
    }
    replaySync('eth0', from(['10.0.0.1', '10.0.0.2'], 0, 20))
    t.equal((await capture.stop()).received, 10)
    await capture.close()
    await t.rejects(capture.setHosts({ exclude: '10.0.0.1' }), { code: 'ERR_CLOSED' })
  })
}

const [ebpf] = tables

t.test('sets of a hundred thousand addresses give the right verdicts', { skip: ebpf?.skip ?? false }, async (t) => {
  const hosts = scattered(40_000)
  const nets = Array.from({ length: 30_000 }, (_, i) => `100.${i >> 8}.${i & 0xff}.0/24`)
  const nets6 = Array.from({ length: 30_000 }, (_, i) => `2001:db8:${i.toString(16)}::/48`)
  const exclude = [...hosts, ...nets, ...nets6]
  const include = Array.from({ length: 100_000 }, (_, i) => `fd00::${(i >> 8).toString(16)}:${(i & 0xff).toString(16)}`)
  await using capture = await Capture.open({ interfaces: 'eth0', excludeHosts: exclude })
  t.equal(capture.stats().ring.table, 'ebpf')
  const samples = Array.from({ length: 500 }, (_, i) => [
    addressed(10 * i, hosts[i * 80] as string, '9.9.9.9'),
    addressed(10 * i + 1, '9.9.9.9', `100.${i >> 3}.${(i * 31) & 0xff}.${i & 0xff}`),
    addressed(10 * i + 2, `2001:db8:${(i * 59).toString(16)}::${i.toString(16)}`, '2001:db9::1'),
    addressed(10 * i + 3, '2001:db9::1', `fd00::${(i >> 1).toString(16)}:${(i & 0xff).toString(16)}`),
    addressed(10 * i + 4, `100.${120 + (i >> 3)}.${i & 0xff}.1`, '9.9.9.9'),
    addressed(10 * i + 5, `2001:db8:${(30_000 + i).toString(16)}::1`, '2001:db9::1'),
  ]).flat()
  const seen: number[] = []
  const reading = (async () => {
    for await (const packet of capture.packets()) seen.push(numberOf(packet.data) as number)
  })()
  replaySync('eth0', samples)
  await waitUntil(
    () => seen.length >= 1500,
    'half of them',
    undefined,
    () => seen.length,
  )
  await capture.setHosts({ exclude: exclude.slice(0, 40_000), include: [...nets6, ...include.slice(0, 70_000)] })
  const before = seen.length
  replaySync('eth0', samples)
  await capture.stop()
  await reading
  const kinds = (kept: readonly number[]) =>
    samples.map(({ number }) => number).filter((number) => kept.includes(number % 10))
  t.same(seen.slice(0, before), kinds([3, 4, 5]), 'outside of all of them')
  t.same(seen.slice(before), kinds([2, 3]), 'within the include set')
  t.same(imbalances(capture.stats()), [])
})

t.test('no eBPF map outlives its set', { skip: ebpf?.skip ?? false }, async (t) => {
  const maps = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes('bpf-map')
      } catch {
        return false // the descriptor of the directory being read
      }
    }).length
  const before = maps()
  await using capture = await Capture.open({ interfaces: 'eth0', excludeHosts: '10.0.0.1' })
  const one = maps()
  t.ok(one > before)
  for (let i = 0; i < 5; i++) await capture.setHosts({ exclude: ['10.0.0.2', '10.1.0.0/16', '::1', 'fd00::/8'] })
  t.equal(maps(), one + 3, 'a map for each kind of address')
  await t.rejects(capture.setHosts({ exclude: 'nobody' }), { code: 'ERR_OPTION' })
  await capture.setHosts({ exclude: [] })
  t.equal(maps(), one - 1)
  await capture.close()
  t.equal(maps(), before)
})

t.test('more addresses than a classic program can hold are refused', async (t) => {
  const message = /has room for (\d+) of them .*CAP_BPF/
  const rejected = async (hosts: string[], filter?: string): Promise<number> => {
    try {
      await (
        await Capture.open({ interfaces: 'eth0', excludeHosts: hosts, filter, ring: { table: 'classic' } })
      ).close()
    } catch (error) {
      t.match(error, { code: 'ERR_FILTER_TOO_LARGE', message })
      return Number(message.exec((error as Error).message)?.[1])
    }
    t.fail(`${hosts.length} fit`)
    return 0
  }
  const room = await rejected(scattered(10_000))
  t.ok(room >= 1500, `${room} fit`)
  const beside = await rejected(scattered(10_000), 'tcp portrange 1-100 or udp')
  t.ok(beside > 1000 && beside < room, `${beside} fit beside a filter`)
  t.equal((await rejected(scattered(100_000))) > 1000, true)
})

const script = fileURLToPath(new URL('address-sets-child.js', import.meta.url))
// Without the variables tap adds for every child: another user may not be allowed to write where tap's reports go.
const node = ['env', '-i', `PATH=${process.env['PATH']}`, process.execPath]
const rawAlone = ['--reuid=65534', '--regid=65534', '--clear-groups'].concat(
  ['--inh-caps', '--ambient-caps'].map((option) => `${option}=-all,+net_raw`),
)

/** Why another user cannot be given CAP_NET_RAW here, or false. */
function unable(): string | false {
  const probe = ['-e', `require('fs').readFileSync(${JSON.stringify(script)})`]
  const { status, stderr, error } = spawnSync('setpriv', [...rawAlone, ...node, ...probe], { encoding: 'utf8' })
  return status === 0 ? false : `setpriv: ${(error?.message ?? stderr).trim().split('\n')[0]}`
}

t.test('with CAP_NET_RAW alone the error gives the number that fits and the remedy', { skip: unable() }, async (t) => {
  const run = (count: number) => {
    const args = [...rawAlone, ...node, script, String(count)]
    const { stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8' })
    t.equal(stderr, '')
    return JSON.parse(stdout) as Record<string, string>
  }
  t.same(run(1000), { table: 'classic' })
  t.match(run(10_000), { code: 'ERR_FILTER_TOO_LARGE', message: /room for \d+ of them .*With CAP_BPF/ })
})
