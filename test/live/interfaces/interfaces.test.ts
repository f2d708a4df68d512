import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import {
  CaptureError,
  type InterfaceEvent,
  type InterfaceWatcher,
  listInterfaces,
  type NetworkInterface,
  watchInterfaces,
} from 'ringtap'
import t from '../support/live.js'
import { collectGarbage } from '../support/process.js'
import { patience, waitUntil, waitUntilStable } from '../support/wait.js'

t.setTimeout(120_000 * patience)

// The harness disables IPv6; these tests need its addresses. Automatic link-local addresses stay off: they are added
// some time after the carrier comes up, possibly between a list and the witness's.
writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '0')
writeFileSync('/proc/sys/net/ipv6/conf/default/addr_gen_mode', '1')

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' })
}

function batch(lines: string[]): void {
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` })
}

interface IpAddress {
  family: string
  local: string
  prefixlen: number
  scope: string
}
interface IpLink {
  ifindex: number
  ifname: string
  altnames?: string[]
  link?: string
  link_index?: number
  link_netnsid?: number
  flags: string[]
  mtu: number
  master?: string
  link_type: string
  address?: string
  promiscuity: number
  linkinfo?: { info_kind?: string }
  addr_info: IpAddress[]
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The output of `ip`, converted to the library's terms: the independent witness. */
function witness(): object[] {
  const links = JSON.parse(ip('-j', '-d', 'addr')) as Partial<IpLink>[]
  // ip prints an empty object for each interface that its filter removed.
  const all = links.filter((link): link is IpLink => link.ifindex !== undefined)
  const indexOf = (name: string | undefined): number | undefined => all.find((link) => link.ifname === name)?.ifindex
  return all
    .sort((a, b) => a.ifindex - b.ifindex)
    .map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      alternativeNames: link.altnames ?? [],
      kind: link.linkinfo?.info_kind,
      address: link.address,
      mtu: link.mtu,
      up: link.flags.includes('UP'),
      loopback: link.flags.includes('LOOPBACK'),
      promiscuous: link.promiscuity > 0,
      addresses: link.addr_info
        .map(({ family, local, prefixlen, scope }) => `${family} ${local}/${prefixlen} ${scope}`)
        .sort(byText),
      master: indexOf(link.master),
      peerIndex: link.link_index ?? indexOf(link.link),
      peerNetnsId: link.link_netnsid,
    }))
}

function seen(list: NetworkInterface[]): object[] {
  return list.map((one) => ({
    index: one.index,
    name: one.name,
    alternativeNames: [...one.alternativeNames],
    kind: one.kind,
    address: one.address,
    mtu: one.mtu,
    up: one.up,
    loopback: one.loopback,
    promiscuous: one.promiscuous,
    addresses: one.addresses
      .map(
        ({ family, address, prefixLength, scope }) =>
          `${family === 4 ? 'inet' : 'inet6'} ${address}/${prefixLength} ${scope}`,
      )
      .sort(byText),
    master: one.master,
    peerIndex: one.peerIndex,
    peerNetnsId: one.peerNetnsId,
  }))
}

/** Reads events up to and including the first that matches. */
async function until(
  events: AsyncIterator<InterfaceEvent, undefined>,
  fits: (event: InterfaceEvent) => boolean,
): Promise<InterfaceEvent[]> {
  const all: InterfaceEvent[] = []
  for (;;) {
    const { done, value } = await events.next()
    if (done) throw new Error('the watcher ended')
    all.push(value)
    if (fits(value)) return all
  }
}

let markers = 0
/** Returns all events of earlier changes: makes a bridge, and reads up to its event. */
async function settle(watcher: InterfaceWatcher): Promise<InterfaceEvent[]> {
  const name = `marker${markers++}`
  ip('link', 'add', name, 'type', 'bridge')
  const iterator = watcher[Symbol.asyncIterator]()
  const before = await until(iterator, (event) => event.interface.name === name)
  ip('link', 'del', name)
  await until(iterator, (event) => event.type === 'removed' && event.interface.name === name)
  return before.filter((event) => event.interface.name !== name)
}

function summary(events: InterfaceEvent[]): string[] {
  return events.map((event) => `${event.type} ${event.interface.name}`)
}

/** Another network namespace, which exists as long as the process lives. */
async function otherNamespace(): Promise<ChildProcess & { pid: number }> {
  const child = spawn('unshare', ['-n', 'sh', '-c', 'echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child as ChildProcess & { pid: number }
}

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

const descriptors = (): number => readdirSync('/proc/self/fd').length
const threads = (): number => readdirSync('/proc/self/task').length

/** Resources of the process. A joined thread remains listed for a moment, hence the wait. */
function held(): Promise<{ descriptors: number; threads: number }> {
  return waitUntilStable(() => ({ descriptors: descriptors(), threads: threads() }), 'descriptors and threads')
}

/** The `changes` of each event that has them. */
function changesOf(events: readonly InterfaceEvent[]): string[][] {
  return events.flatMap((event) => ('changes' in event ? [[...event.changes]] : []))
}

t.test('the list agrees with ip', async (t) => {
  ip('link', 'set', 'lo', 'up')
  batch([
    'link add v0 type veth peer name v1',
    'link add br0 type bridge',
    'link set v0 master br0',
    'link property add dev v1 altname first-name altname second-name',
    'link set v1 mtu 1400',
    'link set v0 up',
    'link set v1 up',
    'addr add 10.1.0.1/24 dev v1',
    'addr add 10.1.0.2/24 dev v1',
    'addr add 10.2.0.1/32 peer 10.2.0.9 dev v1',
    'addr add 2001:db8::1/64 dev v1 nodad',
    'link add mv0 link v1 type macvlan',
  ])
  let list = listInterfaces()
  const named = (name: string): NetworkInterface | undefined => list.find((one) => one.name === name)
  await waitUntil(() => {
    list = listInterfaces()
    return named('v1')?.running
  }, 'the carrier, which comes in its own time')
  t.strictSame(seen(list), witness())
  t.match(named('lo'), { linkType: 1, hardwareType: 772, loopback: true, kind: undefined })
  t.match(named('v1'), { linkType: 1, hardwareType: 1, running: true, kind: 'veth', peerIndex: named('v0')?.index })
  t.equal(named('v1')?.addresses[0]?.address, '10.1.0.1', 'the primary address comes first')
  t.ok(Object.isFrozen(list[0]) && Object.isFrozen(list[0]?.addresses) && Object.isFrozen(list[0]?.addresses[0]))
  t.ok(Object.isFrozen(list[0]?.alternativeNames))
  t.notOk(Object.isFrozen(list), 'the array is the caller’s')
  batch(['link del mv0', 'link del v0', 'link del br0'])
})

function tunUsable(): boolean {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

t.test(
  'a device without a link-layer address',
  { skip: tunUsable() ? false : '/dev/net/tun is not ours to open' },
  async (t) => {
    ip('tuntap', 'add', 'dev', 'tun0', 'mode', 'tun')
    const tun = listInterfaces().find(({ name }) => name === 'tun0')
    t.match(tun, { hardwareType: 65534, linkType: 101, address: undefined, kind: 'tun', up: false, running: false })
    t.strictSame(seen(listInterfaces()), witness())
    ip('link', 'del', 'tun0')
  },
)

t.test('each change in the life of a veth gives an event', async (t) => {
  await using watcher = watchInterfaces()
  t.strictSame(watcher.interfaces, listInterfaces())

  ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
  let events = await settle(watcher)
  t.strictSame(summary(events).sort(byText), ['added v0', 'added v1'])
  const [one, other] = events
  t.equal(one?.interface.peerIndex, other?.interface.index, 'both ends know each other from the start')
  t.equal(other?.interface.peerIndex, one?.interface.index)
  t.ok(Object.isFrozen(one))

  ip('link', 'set', 'v0', 'name', 'w0')
  events = await settle(watcher)
  t.strictSame(summary(events), ['renamed w0'])
  t.equal(events[0]?.previous?.name, 'v0')
  t.equal(events[0]?.previous?.generation, events[0]?.interface.generation)
  t.strictSame(changesOf(events), [['name']])
  t.ok(Object.isFrozen(events[0] && 'changes' in events[0] && events[0].changes))

  ip('link', 'set', 'w0', 'mtu', '1400')
  t.strictSame(changesOf(await settle(watcher)), [['mtu']])
  ip('link', 'set', 'w0', 'address', '02:00:00:00:00:77')
  t.strictSame(changesOf(await settle(watcher)), [['address']])
  ip('link', 'property', 'add', 'dev', 'v1', 'altname', 'other')
  ip('link', 'set', 'v1', 'mtu', '1300') // altnames of a down device are reported with the next event
  t.same([...new Set(changesOf(await settle(watcher)).flat())].sort(), ['alternativeNames', 'mtu'])
  ip('address', 'add', '192.0.2.7/24', 'dev', 'w0')
  t.strictSame(changesOf(await settle(watcher)), [['addresses']])
  ip('address', 'del', '192.0.2.7/24', 'dev', 'w0')
  t.strictSame(changesOf(await settle(watcher)), [['addresses']])

  ip('link', 'set', 'w0', 'up')
  t.ok(summary(await settle(watcher)).includes('up w0'))
  ip('link', 'set', 'w0', 'down')
  t.ok(summary(await settle(watcher)).includes('down w0'))
  ip('link', 'set', 'w0', 'down')
  t.strictSame(summary(await settle(watcher)), [], 'no event where nothing changed')

  ip('addr', 'add', '10.3.0.1/32', 'peer', '10.3.0.2', 'dev', 'w0')
  ip('addr', 'add', '10.3.0.1/32', 'peer', '10.3.0.3', 'dev', 'w0')
  events = await settle(watcher)
  t.strictSame(summary(events), ['changed w0'])
  t.match(events[0]?.interface.addresses, [{ family: 4, address: '10.3.0.1', prefixLength: 32, scope: 'global' }])
  ip('addr', 'del', '10.3.0.1/32', 'peer', '10.3.0.2', 'dev', 'w0')
  t.strictSame(summary(await settle(watcher)), [], 'the same address is still there, to another peer')
  t.strictSame(seen(watcher.interfaces), witness())
  ip('addr', 'flush', 'dev', 'w0')
  events = await settle(watcher)
  t.strictSame(summary(events), ['changed w0'])
  t.strictSame(events[0]?.interface.addresses, [])

  // The kernel reports alternative names only while the device is up.
  ip('link', 'property', 'add', 'dev', 'w0', 'altname', 'another-name')
  ip('link', 'set', 'w0', 'up')
  await settle(watcher)
  ip('link', 'property', 'add', 'dev', 'w0', 'altname', 'third-name')
  events = await settle(watcher)
  t.strictSame(events.at(-1)?.interface.alternativeNames, ['another-name', 'third-name'])

  ip('link', 'del', 'w0')
  events = await settle(watcher)
  t.strictSame(
    summary(events)
      .filter((line) => line.startsWith('removed'))
      .sort(byText),
    ['removed v1', 'removed w0'],
  )
  t.strictSame(seen(watcher.interfaces), witness())
})

t.test('a port that leaves its bridge is neither removed nor added', async (t) => {
  batch(['link add br0 type bridge', 'link add v0 type veth peer name v1'])
  await using watcher = watchInterfaces()
  const bridge = watcher.interfaces.find(({ name }) => name === 'br0')?.index
  batch(['link set v0 master br0', 'link set v0 up'])
  const joined = await settle(watcher)
  t.ok(joined.some((event) => event.interface.name === 'v0' && event.interface.master === bridge))
  t.strictSame(seen(watcher.interfaces), witness())
  ip('link', 'set', 'v0', 'nomaster')
  const left = await settle(watcher)
  t.notOk(left.some((event) => event.type === 'removed' || event.type === 'added'))
  t.strictSame(seen(watcher.interfaces), witness())
  batch(['link del v0', 'link del br0'])
})

t.test('an interface that moves to another namespace and back is removed and added', async (t) => {
  const other = await otherNamespace()
  t.teardown(() => end(other))
  const inOther = (...args: string[]): void => {
    execFileSync('nsenter', ['-t', String(other.pid), '-n', 'ip', ...args])
  }
  ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')
  await using watcher = watchInterfaces()
  const v0 = (): NetworkInterface | undefined => watcher.interfaces.find(({ name }) => name === 'v0')
  const before = watcher.interfaces.find(({ name }) => name === 'v1')

  ip('link', 'set', 'v1', 'netns', String(other.pid))
  let events = await settle(watcher)
  t.ok(summary(events).includes('removed v1'))
  t.type(v0()?.peerNetnsId, 'number', 'the end that stays knows that its peer is elsewhere')
  t.strictSame(seen(watcher.interfaces), witness())

  inOther('link', 'set', 'v1', 'netns', String(process.pid))
  events = await settle(watcher)
  const back = events.find((event) => event.type === 'added')?.interface
  t.equal(back?.name, 'v1')
  t.equal(back?.index, before?.index)
  t.not(back?.generation, before?.generation, 'the same index, another generation')
  t.equal(v0()?.peerNetnsId, undefined)
  t.equal(v0()?.peerIndex, back?.index)
  t.strictSame(seen(watcher.interfaces), witness())

  ip('link', 'add', 'v2', 'type', 'veth', 'peer', 'name', 'v3', 'netns', String(other.pid))
  events = await settle(watcher)
  t.strictSame(summary(events), ['added v2'])
  t.type(events[0]?.interface.peerNetnsId, 'number')
  t.strictSame(seen(watcher.interfaces), witness())

  inOther('link', 'del', 'v3')
  t.ok(summary(await settle(watcher)).includes('removed v2'))
  ip('link', 'del', 'v0')
})

function churn(): void {
  const lines: string[] = []
  for (let i = 0; i < 150; i++) lines.push(`link add c${i} group 7 type veth peer name d${i}`, `link set c${i} up`)
  for (let i = 0; i < 150; i++) if (i % 3 !== 0) lines.push(`link set d${i} name e${i}`)
  for (let i = 0; i < 150; i++) if (i % 2 === 0) lines.push(`link del c${i}`)
  batch(lines)
}

function tidy(): void {
  ip('link', 'del', 'group', '7')
}

/** Messages dropped by the kernel for sockets in the same multicast groups as a watcher. */
function drops(): number {
  return readFileSync('/proc/net/netlink', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((field) => field[1] === '0' && field[3] === '00000111')
    .reduce((sum, field) => sum + Number(field[8]), 0)
}

function replay(start: NetworkInterface[], events: InterfaceEvent[]): NetworkInterface[] {
  const known = new Map(start.map((one) => [one.index, one]))
  for (const event of events) {
    const before = known.get(event.interface.index)
    if (event.type === 'added') {
      if (before) throw new Error(`added twice: ${event.interface.name}`)
    } else if (before?.generation !== event.interface.generation) {
      throw new Error(`${event.type} without added: ${event.interface.name}`)
    }
    if (event.type === 'removed') known.delete(event.interface.index)
    else known.set(event.interface.index, event.interface)
  }
  return [...known.values()].sort((a, b) => a.index - b.index)
}

for (const [what, options] of Object.entries({
  'everything is queued': {},
  'the queue overflows': { maxQueue: 16 },
  'the socket overflows': { receiveBuffer: 1 },
})) {
  t.test(`300 veths while the event loop stands still; ${what}`, async (t) => {
    await using watcher = watchInterfaces(options)
    const start = watcher.interfaces
    churn()
    if ('receiveBuffer' in options) {
      // Events of a whole group are generated faster than any process can read them.
      while (drops() === 0) batch(['link set group 7 down', 'link set group 7 up'])
    }
    const events = await settle(watcher)
    const end = replay(start, events)
    t.strictSame(seen(end), witness(), 'the events lead to what there is')
    t.strictSame(seen(watcher.interfaces), witness())
    tidy()
    await settle(watcher)
    t.strictSame(watcher.interfaces.length, start.length)
  })
}

t.test('with initial, present interfaces come first as added', async (t) => {
  await using watcher = watchInterfaces({ initial: true })
  const events = await settle(watcher)
  t.strictSame(
    events.map((event) => [event.type, event.interface]),
    listInterfaces().map((one) => ['added', one]),
  )
})

t.test('close(), break and an abort end an iteration', async (t) => {
  await t.test('close() ends a pending wait', async (t) => {
    const watcher = watchInterfaces()
    const waiting = watcher[Symbol.asyncIterator]().next()
    const closed = watcher.close()
    t.equal(watcher.close(), closed, 'idempotent')
    t.strictSame(await waiting, { done: true, value: undefined })
    await closed
    t.strictSame(await watcher[Symbol.asyncIterator]().next(), { done: true, value: undefined })
    await watcher.close()
  })
  await t.test('break closes the watcher', async (t) => {
    const before = descriptors()
    const watcher = watchInterfaces({ initial: true })
    for await (const _ of watcher) break
    t.equal(descriptors(), before)
    t.strictSame(await watcher[Symbol.asyncIterator]().next(), { done: true, value: undefined })
  })
  await t.test('an abort rejects with its reason', async (t) => {
    const controller = new AbortController()
    const watcher = watchInterfaces({ signal: controller.signal })
    const iterator = watcher[Symbol.asyncIterator]()
    const waiting = iterator.next()
    const reason = new Error('enough')
    controller.abort(reason)
    await t.rejects(waiting, reason)
    t.strictSame(await iterator.next(), { done: true, value: undefined })
    await watcher.close()
    t.throws(() => watchInterfaces({ signal: controller.signal }), reason)

    const early = new AbortController()
    const other = watchInterfaces({ signal: early.signal })
    early.abort()
    await t.rejects(other[Symbol.asyncIterator]().next(), { name: 'AbortError' }, 'told to the first who asks')
    await other.close()
  })
})

t.test('wrong arguments are refused', async (t) => {
  const refused: [unknown, RegExp][] = [
    [null, /options must be an object; got null/],
    ['lo', /options must be an object; got the string "lo"/],
    [{ maxQueue: 0 }, /options.maxQueue must be an integer from 1 to 16777216; got the number 0/],
    [{ maxQueue: 1.5 }, /options.maxQueue/],
    [{ maxQueue: '7' }, /options.maxQueue/],
    [{ initial: 1 }, /options.initial must be a boolean; got the number 1/],
    [{ signal: {} }, /options.signal must be an AbortSignal/],
    [{ netns: '/run/netns/none-such' }, /netns .* cannot be opened/],
    [{ netns: 5 }, /netns must be the path/],
    [{ maxqueue: 7 }, /no option "maxqueue"/],
  ]
  for (const [options, message] of refused) {
    t.throws(() => watchInterfaces(options as never), { code: 'ERR_OPTION', message })
  }
  t.throws(() => watchInterfaces(null as never), CaptureError)
  await watchInterfaces({ signal: undefined, initial: undefined, maxQueue: undefined }).close()
})

t.test('closed and collected watchers leave nothing open', async (t) => {
  await watchInterfaces().close()
  const before = await held()
  for (let i = 0; i < 200; i++) await watchInterfaces().close()
  t.strictSame(await held(), before, 'closed')

  for (let i = 0; i < 200; i++) listInterfaces()
  t.strictSame(await held(), before, 'listed')

  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 20; i++) watchInterfaces()
  await waitUntil(
    () => {
      gc()
      return threads() <= before.threads && descriptors() <= before.descriptors
    },
    'those that were forgotten to be collected',
    undefined,
    () => [descriptors(), threads()],
  )
})

t.test('a watcher with a pending wait is not collected', async (t) => {
  const got = (async () => {
    for await (const event of watchInterfaces()) return event.interface.name
    return undefined
  })()
  for (let i = 0; i < 5; i++) await collectGarbage()
  ip('link', 'add', 'kept', 'type', 'bridge')
  t.equal(await got, 'kept')
  ip('link', 'del', 'kept')
})

t.test('a worker can be terminated while it watches', async (t) => {
  const file = new URL('./interfaces-worker.js', import.meta.url)
  const before = await held()
  for (let i = 0; i < 10; i++) {
    const worker = new Worker(file, { execArgv: [] })
    await once(worker, 'message')
    if (i % 2 === 0) {
      ip('link', 'add', 'w0', 'type', 'bridge')
      t.strictSame(await once(worker, 'message'), ['added'])
    }
    const stopped = worker.terminate()
    if (i % 2 === 0) ip('link', 'del', 'w0')
    await stopped
  }
  // Terminate at any point: listing, opening, closing, converting events to objects.
  for (let i = 0; i < 30; i++) {
    const worker = new Worker(file, { execArgv: [], argv: [i % 2 === 0 ? 'list' : 'open'] })
    await once(worker, 'message')
    await sleep(i) // no condition: at any moment
    await worker.terminate()
  }
  const after = await held()
  t.ok(after.threads <= before.threads)
  t.ok(after.descriptors <= before.descriptors)
})

t.test('only a pending wait keeps the process alive', async (t) => {
  const run = (code: string): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['--input-type=module', '-e', `import { watchInterfaces } from 'ringtap'; ${code}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  t.match(run(`watchInterfaces(); console.log('end')`), { status: 0, stdout: 'end\n' })
  t.match(run(`await watchInterfaces().close(); console.log('end')`), { status: 0, stdout: 'end\n' })

  const waiting = `import { watchInterfaces } from 'ringtap'
    setImmediate(() => console.log('waiting'))
    for await (const event of watchInterfaces()) { console.log(event.type, event.interface.name); break }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', waiting], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const ended = once(child, 'close')
  // The interface comes only when the process waits for nothing else (or has ended, which it must not).
  const idle = () =>
    child.exitCode !== null || (stdout !== '' && readFileSync(`/proc/${child.pid}/stat`, 'latin1').includes(') S '))
  await waitUntil(idle, 'the process to wait for an event')
  ip('link', 'add', 'late', 'type', 'bridge')
  t.strictSame(await ended, [0, null])
  ip('link', 'del', 'late')
  t.equal(stdout, 'waiting\nadded late\n')
})
