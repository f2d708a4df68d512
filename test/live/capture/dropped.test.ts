/** Captures of a process that gives up its privileges after it has opened them. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type CaptureOptions, type CaptureStats, openFile } from 'ringtap'
import { bareEnvironment } from '../../helpers/child-environment.js'
import { drainBacklog } from '../support/backlog.js'
import { udp } from '../support/connections.js'
import t from '../support/live.js'
import { addVeth, del, link } from '../support/network.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { tables } from '../support/tables.js'
import { waitUntil, within } from '../support/wait.js'
import type { Failure, Request, Taken } from './dropped-child.js'

addVeth('eth0', 'far0')

const script = fileURLToPath(new URL('dropped-child.js', import.meta.url))

// Started through env, because tap adds a report to every Node process that is started directly, and another user may not
// write it.
const bare = Object.entries(bareEnvironment()).map(([name, value]) => `${name}=${value}`)
const node = ['-i', ...bare, process.execPath]

/** Why a process cannot become another user here, or false. */
function unable(): string | false {
  const become = 'process.setgroups([]); process.setgid(65534); process.setuid(65534)'
  const { status, stderr, error } = spawnSync('env', [...node, '-e', become], { encoding: 'utf8' })
  if (status === 0) return false
  const reason = /^\w*Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim().split('\n')[0]
  return `no process can become another user: ${error?.message ?? reason}`
}

const cannot = unable()
const withoutEbpf = tables.find(({ table }) => table === 'ebpf')?.skip ?? false

/** A process that has opened a capture and an injector on eth0 as root. */
class Child {
  readonly #process
  readonly #lines

  private constructor(options: CaptureOptions) {
    this.#process = spawn('env', [...node, script, JSON.stringify([options, 'eth0'])], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** Starts one that has given up its privileges already, unless `privileged`. */
  static async start(options: CaptureOptions, { privileged = false } = {}): Promise<Child> {
    const child = new Child(options)
    await child.#answer('the capture to open')
    if (!privileged) await child.drop()
    return child
  }

  async #answer(what: string): Promise<{ result?: unknown; failure?: Failure }> {
    const { value } = await within(this.#lines.next(), what)
    if (value === undefined) throw new Error(`the child ended before ${what}`)
    return JSON.parse(value as string)
  }

  #request(request: Request): Promise<{ result?: unknown; failure?: Failure }> {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    return this.#answer(`the answer to ${request.do}`)
  }

  async call(request: Request): Promise<unknown> {
    const { result, failure } = await this.#request(request)
    if (failure) throw new Error(`${request.do}: ${failure.message}`)
    return result
  }

  /** The failure of a request; `undefined` if it succeeds. */
  async failure(request: Request): Promise<Failure | undefined> {
    return (await this.#request(request)).failure
  }

  async drop(): Promise<void> {
    if ((await this.call({ do: 'drop' })) !== 65534) throw new Error('the privileges were not dropped')
  }

  stats(): Promise<CaptureStats> {
    return this.call({ do: 'stats' }) as Promise<CaptureStats>
  }

  warnings(): Promise<Failure[]> {
    return this.call({ do: 'warnings' }) as Promise<Failure[]>
  }

  take(count: number): Promise<Taken[]> {
    return this.call({ do: 'take', count }) as Promise<Taken[]>
  }

  stop(): Promise<{ packets: Taken[]; stats: CaptureStats }> {
    return this.call({ do: 'stop' }) as Promise<{ packets: Taken[]; stats: CaptureStats }>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.on('close', resolve))
    if (this.#process.exitCode === null) {
      this.#process.stdin.end()
      await within(ended, 'the child to end')
    }
  }
}

/** What is captured of frames that are received on this interface. */
function frames(name: string, start: number, count: number): Taken[] {
  return Array.from({ length: count }, (_, i) => ({ interface: name, number: start + i }))
}

const vlan5 = {
  code: 'ERR_PERMISSION',
  syscall: 'socket',
  message: /vlan.*needs CAP_NET_RAW; .*uid 65534.*keep CAP_NET_RAW/,
}
const noEbpf = { code: 'ERR_PERMISSION', syscall: 'bpf', message: /needs CAP_BPF; .*uid 65534.*keep CAP_BPF/ }
const classicFromNow = { code: 'ERR_PERMISSION', message: /CAP_BPF.*classic program.*not per interface/ }

const forms: {
  form: string
  options: CaptureOptions
  skip: string | false
  /** The form of the kernel's filter when the capture is opened, and once the filter was replaced. */
  before: string
  after: string
}[] = [
  { form: 'auto', options: { ring: { table: 'auto' } }, skip: withoutEbpf, before: 'ebpf', after: 'classic' },
  { form: 'ebpf', options: { ring: { table: 'ebpf' } }, skip: withoutEbpf, before: 'ebpf', after: 'ebpf' },
  { form: 'classic', options: { ring: { table: 'classic' } }, skip: false, before: 'classic', after: 'classic' },
  { form: 'pcap', options: { backend: 'pcap' }, skip: false, before: 'none', after: 'none' },
]
const received = (stats: CaptureStats, name: string) => stats.interfaces.find((one) => one.name === name)?.received

for (const { form, options, skip, before, after } of forms) {
  const limits = { skip: cannot || skip }

  t.test(`without privileges the filter is replaced, ${form}`, limits, async (t) => {
    await using child = await Child.start({ interfaces: 'eth0', filter: 'udp port 7', ...options })
    sendSync({ interface: 'far0', count: 20, port: 7 })
    sendSync({ interface: 'far0', count: 20, port: 8 })
    t.same(await child.take(20), frames('eth0', 0, 20), 'what the first filter accepts')
    const first = await child.stats()
    t.equal(first.ring.table, before)
    t.equal(received(first, 'eth0'), before === 'classic' ? undefined : 20)

    // Tests of metadata are compiled with a packet socket.
    t.match(await child.failure({ do: 'filter', expression: 'vlan 5' }), vlan5)
    t.match(await child.failure({ do: 'filter', expression: 'udp port 8 and not inbound' }), vlan5)
    const replaced = await child.failure({ do: 'filter', expression: 'udp port 8' })
    if (form === 'ebpf') t.match(replaced, noEbpf)
    else t.equal(replaced, undefined)
    const inForce = form === 'ebpf' ? 7 : 8
    t.match(await child.warnings(), form === 'auto' ? [classicFromNow] : [])

    sendSync({ interface: 'far0', count: 30, port: 15 - inForce, start: 100 })
    sendSync({ interface: 'far0', count: 30, port: inForce, start: 200 })
    t.same(await child.take(30), frames('eth0', 200, 30), 'what the filter in force accepts')
    const second = await child.stats()
    t.equal(second.ring.table, after)
    t.equal(received(second, 'eth0'), after === 'classic' ? undefined : 50, 'counted, not guessed')
    t.equal(second.received, 50)

    // A second change: no second warning.
    const again = await child.failure({ do: 'filter' })
    if (form === 'ebpf') t.match(again, noEbpf)
    else t.equal(again, undefined)
    t.same(await child.warnings(), [])
    sendSync({ interface: 'far0', count: 10, port: inForce, start: 300 })
    t.same(await child.take(10), frames('eth0', 300, 10))
    const { packets, stats } = await child.stop()
    t.same(packets, [])
    t.match(stats, { received: 60, delivered: 60, droppedByRing: 0, droppedByOverflow: 0, unselected: 0, queued: 0 })
  })

  t.test(`without privileges the address sets are replaced, ${form}`, limits, async (t) => {
    await using child = await Child.start({ interfaces: 'eth0', filter: 'udp port 7', ...options })
    const replaced = await child.failure({ do: 'hosts', exclude: ['198.18.0.2'] })
    if (form === 'pcap') t.match(replaced, { code: 'ERR_OPTION' })
    else if (form === 'ebpf') t.match(replaced, noEbpf)
    else t.equal(replaced, undefined)
    t.match(await child.warnings(), form === 'auto' ? [classicFromNow] : [])
    const excluded = replaced === undefined
    sendSync({ interface: 'far0', count: 20, port: 7 })
    if (excluded) t.equal(await child.failure({ do: 'hosts', exclude: [] }), undefined)
    sendSync({ interface: 'far0', count: 20, port: 7, start: 20 })
    const expected = excluded ? frames('eth0', 20, 20) : frames('eth0', 0, 40)
    t.same(await child.take(expected.length), expected)
    const { packets, stats } = await child.stop()
    t.same(packets, [])
    t.match(stats, { received: expected.length, delivered: expected.length, queued: 0, ring: { table: after } })
  })

  t.test(`without privileges the connections are replaced, ${form}`, limits, async (t) => {
    await using child = await Child.start({ interfaces: 'eth0', filter: 'udp port 7', ...options })
    const list = [udp('198.18.0.2', 7, '198.18.0.1', 7)]
    const replaced = await child.failure({ do: 'connections', list })
    if (form === 'ebpf') t.match(replaced, noEbpf)
    else t.equal(replaced, undefined)
    t.match(await child.warnings(), form === 'auto' ? [classicFromNow] : [])
    const excluded = replaced === undefined
    sendSync({ interface: 'far0', count: 20, port: 7 })
    if (excluded) t.equal(await child.failure({ do: 'connections', list: [] }), undefined)
    sendSync({ interface: 'far0', count: 20, port: 7, start: 20 })
    const expected = excluded ? frames('eth0', 20, 20) : frames('eth0', 0, 40)
    t.same(await child.take(expected.length), expected)
    const { packets, stats } = await child.stop()
    t.same(packets, [])
    t.match(stats, { received: expected.length, delivered: expected.length, queued: 0, ring: { table: after } })
  })

  t.test(`without privileges the rest goes on, ${form}`, limits, async (t) => {
    const interfaces = { include: '^eth', hotplug: true }
    await using child = await Child.start({ interfaces, promiscuous: true, filter: 'udp port 7', ...options })
    t.match(await child.failure({ do: 'open', options: { interfaces: 'eth0', ...options } }), {
      code: 'ERR_PERMISSION',
      message: /needs CAP_NET_RAW; the process runs as uid 65534.*setcap/,
    })

    addVeth('eth1', 'far1')
    t.teardown(() => del('eth1'))
    if (form === 'pcap') {
      const refused: Failure[] = []
      await waitUntil(async () => refused.push(...(await child.warnings())) > 0, 'the warning')
      t.match(refused, [
        {
          code: 'ERR_PERMISSION',
          syscall: 'pcap_activate',
          interface: 'eth1',
          message: /needs CAP_NET_RAW.*keep CAP_NET_RAW/,
        },
      ])
      t.equal(link('eth1').promiscuity, 0)
    } else {
      await waitUntil(() => link('eth1').promiscuity === 1, 'promiscuous mode')
    }
    sendSync({ interface: 'far1', count: 20, port: 7 })
    sendSync({ interface: 'far1', count: 20, port: 8 })
    const early = form === 'pcap' ? [] : frames('eth1', 0, 20)
    t.same(await child.take(early.length), early, 'an interface that appears')

    t.match(await child.call({ do: 'inject', count: 10, start: 50, port: 7 }), { sent: 10 })
    t.same(await child.take(10), frames('eth0', 50, 10), 'the injector sends')

    const folder = t.testdir()
    chmodSync(folder, 0o777)
    await child.call({ do: 'record', path: join(folder, 'trace.pcapng'), packets: 15 })
    sendSync({ interface: 'far0', count: 40, port: 7, start: 100 })
    t.same(await child.take(40), frames('eth0', 100, 40))
    const { files } = (await child.call({ do: 'stopRecording' })) as { files: { path: string; packets: number }[] }
    t.same(
      files.map(({ packets }) => packets),
      [15, 15, 10],
      'recording and rotation',
    )
    const recorded: (number | undefined)[] = []
    for (const { path } of files) {
      await using file = await openFile(path)
      for await (const chunk of file) for (const packet of chunk) recorded.push(sequenceOf(packet.data))
    }
    t.same(
      recorded,
      frames('eth0', 100, 40).map(({ number }) => number),
    )
    drainBacklog()
    const { packets, stats } = await child.stop()
    t.same(packets, [])
    const total = early.length + 50
    t.match(stats, { received: total, delivered: total, droppedByRing: 0, droppedByOverflow: 0, queued: 0 })
    t.same(await child.warnings(), [])
  })
}

const auto = { interfaces: 'eth0', ring: { table: 'auto' } } as const
const ebpf = { skip: cannot || withoutEbpf }

t.test('with dedupe a change that needs eBPF is refused, and the capture goes on', ebpf, async (t) => {
  await using child = await Child.start({ ...auto, filter: 'udp port 7', dedupe: true })
  t.match(await child.failure({ do: 'filter', expression: 'udp port 8' }), noEbpf)
  t.match(await child.failure({ do: 'hosts', exclude: ['198.18.0.2'] }), noEbpf)
  sendSync({ interface: 'far0', count: 20, port: 8 })
  sendSync({ interface: 'far0', count: 20, port: 7, start: 100 })
  t.same(await child.take(20), frames('eth0', 100, 20))
  const { stats } = await child.stop()
  t.match(stats, { received: 20, delivered: 20, duplicates: 0, ring: { table: 'ebpf' } })
  t.equal(received(stats, 'eth0'), 20)
  t.same(await child.warnings(), [])
})

t.test('address sets too large for the classic form leave the eBPF form in force', ebpf, async (t) => {
  await using child = await Child.start({ ...auto, filter: 'udp port 7', excludeHosts: ['192.0.2.1'] })
  const exclude = Array.from({ length: 4000 }, (_, i) => `10.${i >> 7}.${(2 * i) & 0xff}.7`)
  // The old filter is in force at every moment.
  let sending = true
  const traffic = send({ interface: 'far0', count: 300_000, port: 8 }).finally(() => {
    sending = false
  })
  while (sending) {
    const refused = await child.failure({ do: 'hosts', exclude })
    const message = /room for \d+ of them.*CAP_BPF.*Operation not permitted/
    if (!t.match(refused, { code: 'ERR_FILTER_TOO_LARGE', message })) break
  }
  await traffic
  sendSync({ interface: 'far0', count: 20, port: 7, start: 100 })
  t.same(await child.take(20), frames('eth0', 100, 20))
  const stats = await child.stats()
  t.match(stats, { received: 20, ring: { table: 'ebpf' } })
  t.equal(received(stats, 'eth0'), 20)
  t.same(await child.warnings(), [])
  t.equal(await child.failure({ do: 'hosts', exclude: ['198.18.0.2'] }), undefined, 'one that fits')
  t.match(await child.warnings(), [classicFromNow])
  sendSync({ interface: 'far0', count: 20, port: 7, start: 200 })
  const end = await child.stop()
  t.same(end.packets, [])
  t.match(end.stats, { received: 20, delivered: 20, ring: { table: 'classic' } })
})

t.test('a filter replaced without privileges under traffic loses no packet', ebpf, async (t) => {
  await using child = await Child.start({ ...auto, filter: 'udp', excludeHosts: ['192.0.2.1'] }, { privileged: true })
  const count = 30_000
  const traffic = send({ interface: 'far0', count, rate: 30_000, port: 7 })
  await child.drop()
  for (const expression of ['udp port 7', 'ip', 'greater 10', 'udp dst port 7', 'udp']) {
    t.equal(await child.failure({ do: 'filter', expression }), undefined)
  }
  const [one] = await child.warnings()
  t.match(one, classicFromNow)
  await traffic
  t.same(await child.take(count), frames('eth0', 0, count), 'every packet once, in order')
  const { packets, stats } = await child.stop()
  t.same(packets, [])
  t.match(stats, { received: count, delivered: count, droppedByRing: 0, droppedByOverflow: 0, queued: 0 })
})
