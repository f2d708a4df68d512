// Alone: it compares counters of the machine.
// Packets dropped before any capture sees them: the devices' counters, compared with those of `ip -s link`.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Capture, type CaptureStats, type DeviceLosses } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, del, ip, ipIn, moveTo, rename, sysctl } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

/** The witness: the counters shown by ip(8), which reads them with RTM_GETLINK. */
function witness(name: string, namespace?: number): DeviceLosses {
  const args = ['-json', '-statistics', '-statistics', 'link', 'show', 'dev', name]
  const [link] = JSON.parse(namespace === undefined ? ip(...args) : ipIn(namespace, ...args))
  const { rx } = link.stats64
  return {
    dropped: rx.dropped,
    missed: rx.missed_errors ?? 0,
    errors: rx.errors,
    overruns: rx.over_errors ?? 0,
    fifoErrors: rx.fifo_errors ?? 0,
  }
}

const device = (stats: CaptureStats, name: string) => stats.interfaces.find((one) => one.name === name)?.device
const nothing = { dropped: 0, missed: 0, errors: 0, overruns: 0, fifoErrors: 0 }

/**
 * Sends frames longer than the MTU of the receiving end, which therefore drops every one of them before packet sockets
 * see it (__dev_forward_skb2(), net/core/dev.c).
 */
function lose(from: string, count: number, namespace?: number): void {
  // Newer kernels report the drop to the sender; in either case each frame is sent only once.
  sendSync({ interface: from, count, size: 1400, mayDrop: true, mayRefuse: true, burst: 1, namespace })
}

function addLossy(name: string, peer: string): void {
  addVeth(name, peer)
  ip('link', 'set', 'dev', peer, 'mtu', '1000')
}

addLossy('eth0', 'far0')
lose('eth0', 5)

t.test('packets that a device drops are reported and not part of received', async (t) => {
  t.equal(witness('far0').dropped, 5, 'before the capture: of no concern to it')
  await using capture = await Capture.open({ interfaces: 'far0' })
  t.same(device(capture.stats(), 'far0'), nothing)
  t.equal(device(capture.stats(), 'eth0'), undefined, 'it is not captured')
  lose('eth0', 37)
  sendSync({ interface: 'eth0', count: 10 })
  const { dropped } = witness('far0')
  t.equal(dropped, 42)
  t.same(device(capture.stats(), 'far0'), { ...nothing, dropped: 37 })
  lose('eth0', 3)
  const stats = await capture.stop()
  t.same(device(stats, 'far0'), { ...nothing, dropped: 40 })
  t.equal(stats.received, 10)
  t.equal(stats.loss.lost, 0)
  await capture.close()
  t.same(device(capture.stats(), 'far0'), { ...nothing, dropped: 40 }, 'and stays')
})

t.test('each capture counts from its own start', async (t) => {
  await using one = await Capture.open({ interfaces: 'far0' })
  lose('eth0', 4)
  await using two = await Capture.open({ interfaces: ['far0', 'eth0'] })
  lose('eth0', 2)
  t.equal(device(one.stats(), 'far0')?.dropped, 6)
  t.equal(device(two.stats(), 'far0')?.dropped, 2)
  t.same(device(two.stats(), 'eth0'), nothing, 'what is lost at the other end was sent, and seen being sent')
})

t.test('drops of a device that appears later, goes and returns are counted', async (t) => {
  await using capture = await Capture.open({ interfaces: { include: '^(hot|far)1$', hotplug: true } })
  const selected = (name: string) => waitUntil(() => capture.interfaces.find((one) => one.name === name), name)
  addLossy('eth1', 'hot1')
  // Drops that happen before JavaScript has processed the interface's event.
  lose('eth1', 7)
  await selected('hot1')
  t.equal(device(capture.stats(), 'hot1')?.dropped, 7, 'from its beginning')
  lose('eth1', 1)
  const last = witness('hot1')
  t.equal(last.dropped, 8)
  del('eth1')
  await waitUntil(() => capture.interfaces.length === 0, 'the removal')
  const gone = capture.stats().interfaces.find((one) => one.name === 'hot1')
  t.match(gone, { present: false, device: last }, 'its last word')

  // With the same index, so that only the generation distinguishes the two devices.
  ip('link', 'add', 'hot1', 'index', String(gone?.index), 'type', 'veth', 'peer', 'name', 'eth1')
  ip('link', 'set', 'dev', 'hot1', 'mtu', '1000')
  ip('link', 'set', 'dev', 'hot1', 'up')
  ip('link', 'set', 'dev', 'eth1', 'up')
  const again = await selected('hot1')
  t.equal(again.index, gone?.index)
  lose('eth1', 3)
  const both = capture.stats().interfaces.filter(({ index }) => index === gone?.index)
  t.same(
    both.map(({ present, device }) => [present, device?.dropped]),
    [
      [true, 3],
      [false, 8],
    ],
    'a new generation starts anew',
  )
  t.not(both[0]?.generation, both[1]?.generation)
  del('eth1')
})

t.test('drops of a device selected by its new name count from the rename on', async (t) => {
  addLossy('eth2', 'unwanted2')
  await using capture = await Capture.open({ interfaces: { include: '^wanted', hotplug: true } })
  lose('eth2', 6)
  rename('unwanted2', 'wanted2')
  await waitUntil(() => capture.interfaces.length === 1, 'its selection')
  t.same(device(capture.stats(), 'wanted2'), nothing)
  lose('eth2', 2)
  t.equal(device(capture.stats(), 'wanted2')?.dropped, 2)
  t.equal(witness('wanted2').dropped, 8)
  del('eth2')
})

t.test('drops in another namespace are counted', async (t) => {
  const other = await addNamespace()
  addVeth('eth3', 'far3')
  ip('link', 'set', 'dev', 'far3', 'mtu', '1000')
  lose('eth3', 2)
  moveTo(other.pid, 'far3')
  await using capture = await Capture.open({ interfaces: 'far3', netns: other.path })
  ipIn(other.pid, 'link', 'set', 'dev', 'far3', 'mtu', '1000', 'up')
  const before = witness('far3', other.pid)
  lose('eth3', 11)
  const after = witness('far3', other.pid)
  t.equal(after.dropped - before.dropped, 11)
  t.same(device(capture.stats(), 'far3'), { ...nothing, dropped: 11 })

  // The counts of a device that moves in include earlier drops, which the capture must not count.
  await using hot = await Capture.open({ interfaces: { include: '^far4$', hotplug: true }, netns: other.path })
  addLossy('eth4', 'far4')
  lose('eth4', 9)
  moveTo(other.pid, 'far4')
  await waitUntil(() => hot.interfaces.length === 1, 'far4')
  const moved = witness('far4', other.pid).dropped
  ipIn(other.pid, 'link', 'set', 'dev', 'far4', 'mtu', '1000', 'up')
  lose('eth4', 5)
  t.equal(witness('far4', other.pid).dropped, moved + 5)
  t.equal(device(hot.stats(), 'far4')?.dropped, 5)
  await capture.close()
  await hot.close()
  del(['eth3', 'eth4'])
  await other.close()
})

/** Sums over all CPUs, from the world-readable /proc/net/softnet_stat. */
function softnet(): { dropped: number; timeSqueezed: number } {
  const rows = readFileSync('/proc/net/softnet_stat', 'latin1').trim().split('\n')
  const sum = (column: number) =>
    rows.reduce((all, row) => all + Number.parseInt(row.split(' ')[column] as string, 16), 0)
  return { dropped: sum(1), timeSqueezed: sum(2) }
}

const steering = existsSync('/proc/sys/net/core/rps_default_mask')
const why = steering ? 'a queue between processors takes two of them' : 'the kernel is older than 6.3'
t.test(
  'drops of the queues of the kernel are counted',
  { skip: steering && availableParallelism() > 1 ? false : why },
  async (t) => {
    // Packets sent on CPU 0 are passed to CPU 1 (receive packet steering), which has more work per packet: its queue of
    // net.core.netdev_max_backlog packets overflows.
    sysctl('net/core/rps_default_mask', '2')
    addVeth('eth5', 'far5')
    sysctl('net/core/rps_default_mask', '0')
    const before = softnet()
    await using capture = await Capture.open({ interfaces: 'far5', ring: { memory: 1 << 20 }, overflow: { memory: 0 } })
    const load = await Promise.all(
      Array.from({ length: 24 }, () =>
        Capture.open({ interfaces: 'far5', ring: { memory: 1 << 20 }, overflow: { memory: 0 } }),
      ),
    )
    t.teardown(() => Promise.all(load.map((one) => one.close())))
    const first = softnet()
    const affinity = spawnSync('taskset', ['-p', String(process.pid)], { encoding: 'utf8' })
      .stdout.split(' ')
      .at(-1)
    spawnSync('taskset', ['-p', '1', String(process.pid)])
    t.teardown(() => spawnSync('taskset', ['-p', String(affinity).trim(), String(process.pid)]))
    let sent = 0
    for (let round = 0; round < 20 && witness('far5').dropped === 0; round++) {
      sent += sendSync({ interface: 'eth5', count: 20_000, mayDrop: true, mayRefuse: true, bypass: true }).sent
    }
    const { dropped } = witness('far5')
    t.ok(dropped > 0, `${dropped} did not fit into the queue`)
    // Queued packets are processed shortly. A refused packet may have been sent twice.
    await waitUntil(
      () => capture.stats().received >= sent,
      'what was not dropped',
      20_000,
      () => capture.stats(),
    )
    const last = softnet()
    const stats = capture.stats()
    const now = softnet()
    t.equal(stats.received, sent, 'none of it has reached the ring')
    t.same(device(stats, 'far5'), { ...nothing, dropped })
    t.ok((stats.softnet?.dropped ?? 0) >= dropped, 'and the same packets are in the stats of the host')
    // The count includes the packets other namespaces of this host lose: check it against a lower and an upper bound.
    for (const figure of ['dropped', 'timeSqueezed'] as const) {
      const value = stats.softnet?.[figure] ?? -1
      t.ok(value >= last[figure] - first[figure], `${figure}: ${value}`)
      t.ok(value <= now[figure] - before[figure])
    }
    await Promise.all(load.map((one) => one.close()))
    del('eth5')
  },
)

t.test('counters that cannot be read are undefined', (t) => {
  const script = `
    import { Capture } from 'ringtap'
    const capture = await Capture.open({ interfaces: 'far0' })
    const { softnet, received } = capture.stats()
    console.log(JSON.stringify([softnet === undefined, received]))
    await capture.close()`
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" --input-type=module -e "$1"', process.execPath, script],
    { encoding: 'utf8', env, cwd: new URL('.', import.meta.url) },
  )
  t.equal(stdout, '[true,0]\n', stderr)
  t.end()
})

t.test('counters that only netlink reports are up to date within a second, and after a stop', async (t) => {
  const script = `
    import { Capture } from 'ringtap'
    const capture = await Capture.open({ interfaces: 'far0' })
    const dropped = (stats) => stats.interfaces.find(({ name }) => name === 'far0').device.dropped
    console.log(dropped(capture.stats()))
    while (dropped(capture.stats()) < 9) await new Promise((resolve) => setTimeout(resolve, 10))
    console.log(dropped(capture.stats()))
    process.stdin.once('data', async () => {
      console.log(dropped(await capture.stop()))
      await capture.close()
      process.stdin.destroy()
    })`
  const { NODE_OPTIONS: _, ...env } = process.env
  const command = 'mount -t tmpfs none /proc && exec "$0" --input-type=module -e "$1"'
  const child = spawn('unshare', ['-m', 'sh', '-c', command, process.execPath, script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
    cwd: new URL('.', import.meta.url),
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  await waitUntil(() => output === '0\n', 'the capture')
  lose('eth0', 9)
  await waitUntil(() => output === '0\n9\n', 'the losses')
  lose('eth0', 4)
  child.stdin.write('stop')
  await once(child, 'close')
  t.equal(output, '0\n9\n13\n')
})
