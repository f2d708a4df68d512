import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { type InterfaceEvent, listInterfaces, type NetworkInterface, watchInterfaces } from 'ringtap'
import { byText, seen, witness } from '../support/interface-witness.js'
import t from '../support/live.js'
import { ip, ipBatch } from '../support/network.js'
import { patience, waitUntil } from '../support/wait.js'
import { settle, summary } from '../support/watching.js'

t.setTimeout(120_000 * patience)

// The harness disables IPv6; these tests need its addresses. Automatic link-local addresses stay off: they are added
// some time after the carrier comes up, possibly between a list and the witness's.
writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '0')

writeFileSync('/proc/sys/net/ipv6/conf/default/addr_gen_mode', '1')

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

/** The `changes` of each event that has them. */
function changesOf(events: readonly InterfaceEvent[]): string[][] {
  return events.flatMap((event) => ('changes' in event ? [[...event.changes]] : []))
}

t.test('the list agrees with ip', async (t) => {
  ip('link', 'set', 'lo', 'up')
  ipBatch([
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
  ipBatch(['link del mv0', 'link del v0', 'link del br0'])
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
  ipBatch(['link add br0 type bridge', 'link add v0 type veth peer name v1'])
  await using watcher = watchInterfaces()
  const bridge = watcher.interfaces.find(({ name }) => name === 'br0')?.index
  ipBatch(['link set v0 master br0', 'link set v0 up'])
  const joined = await settle(watcher)
  t.ok(joined.some((event) => event.interface.name === 'v0' && event.interface.master === bridge))
  t.strictSame(seen(watcher.interfaces), witness())
  ip('link', 'set', 'v0', 'nomaster')
  const left = await settle(watcher)
  t.notOk(left.some((event) => event.type === 'removed' || event.type === 'added'))
  t.strictSame(seen(watcher.interfaces), witness())
  ipBatch(['link del v0', 'link del br0'])
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
  ipBatch(lines)
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
      while (drops() === 0) ipBatch(['link set group 7 down', 'link set group 7 up'])
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
