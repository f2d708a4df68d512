// What the doctor reads, from files as the kernel writes them.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { command, onTerminal, ringtap } from '../helpers/command.js'
import { TestFolder } from '../helpers/test-folder.js'

const load = (file: string) => createRequire(import.meta.url)(path.join(path.dirname(command), file))
const facts = load('doctor-facts.js')
const { placementNotes, processors, receptionOf } = load('doctor-processors.js')
const folder = new TestFolder(t)

/** A root directory with these files. */
function tree(name: string, files: Record<string, string>): string {
  const root = folder.file(name)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(root, file), text)
  }
  return root
}

t.test('the memory limit is the lowest on the way to the top, of both versions of control groups', async (t) => {
  const second = tree('second', {
    'proc/self/cgroup': '0::/kubepods/pod1/container\n',
    'sys/fs/cgroup/kubepods/memory.max': 'max\n',
    'sys/fs/cgroup/kubepods/pod1/memory.max': '268435456\n',
    'sys/fs/cgroup/kubepods/pod1/memory.current': '1048576\n',
    'sys/fs/cgroup/kubepods/pod1/container/memory.max': '536870912\n',
    'sys/fs/cgroup/kubepods/pod1/container/memory.current': '1024\n',
  })
  t.same(facts.memoryLimit(second), { limit: 268435456, used: 1048576 })
  const inside = tree('inside', {
    'proc/self/cgroup': '0::/\n',
    'sys/fs/cgroup/memory.max': '134217728\n',
    'sys/fs/cgroup/memory.current': '100\n',
  })
  t.same(facts.memoryLimit(inside), { limit: 134217728, used: 100 })
  const first = tree('first', {
    'proc/self/cgroup': '5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes': '1000000\n',
    'sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes': '999\n',
  })
  t.same(facts.memoryLimit(first), { limit: 1000000, used: 999 })
  const none = tree('none', { 'proc/self/cgroup': '4:memory:/\n0::/\n', 'sys/fs/cgroup/memory.max': 'max\n' })
  t.same(facts.memoryLimit(none), { limit: undefined, used: undefined })
  t.same(facts.memoryLimit(folder.file('nothing')), { limit: undefined, used: undefined })
})

t.test('the table of devices', async (t) => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1136236    8422    0    0    0     0          0         0  1136236    8422    0    0    0     0       0          0
 e$(x):  90    1    2    3    4     0          0         0  9    7    0    5    0     0       0          0
`
  t.same(
    [...facts.deviceCounts(text)],
    [
      ['lo', { packets: 8422, losses: {} }],
      ['e$(x)', { packets: 1, losses: { errors: 2, dropped: 3, overruns: 4 } }],
    ],
  )
  t.same(facts.superFrameOffloads(['rx-checksumming', 'generic-receive-offload', 'tcp-segmentation-offload']), [
    'gro',
    'tso',
  ])
})

const twoNodes = {
  'proc/thread-self/status': 'Cpus_allowed_list:\t0-1,4-5\n',
  'sys/devices/system/cpu/isolated': '6-7\n',
  'sys/devices/system/node/node0/cpulist': '0-3\n',
  'sys/devices/system/node/node1/cpulist': '4-7\n',
}

/** The files of an interrupt of a device. */
const interrupt = (number: number, handler: string, list: string) => ({
  [`proc/irq/${number}/effective_affinity_list`]: `${list}\n`,
  [`proc/irq/${number}/smp_affinity_list`]: '0-7\n',
  [`proc/irq/${number}/spurious`]: 'count 1\n',
  [`proc/irq/${number}/${handler}/x`]: '',
})

t.test('on which processors a device receives', async (t) => {
  const root = tree('card', {
    ...twoNodes,
    'sys/class/net/eth0/device/numa_node': '1\n',
    ...Object.fromEntries([40, 41, 42, 43, 44].map((one) => [`sys/class/net/eth0/device/msi_irqs/${one}`, 'msix\n'])),
    ...interrupt(40, 'eth0-TxRx-0', '4'),
    ...interrupt(41, 'eth0-TxRx-1', '5'),
    ...interrupt(42, 'eth0-rx-2', '2'),
    ...interrupt(43, 'eth0-tx-2', '3'),
    'proc/irq/44/effective_affinity_list': '7\n',
    'sys/class/net/eth0/queues/rx-0/rps_cpus': '00000000,00000000\n',
    'sys/class/net/eth0/queues/rx-1/rps_cpus': '00000000,00000000\n',
    'sys/class/net/eth0/queues/tx-0/xps_cpus': 'f\n',
    'sys/class/net/veth0/queues/rx-0/rps_cpus': '0\n',
    'sys/class/net/veth1/queues/rx-0/rps_cpus': '00000001,00000021\n',
  })
  t.same(processors(root), {
    usable: [0, 1, 4, 5],
    isolated: [6, 7],
    nodes: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
  })
  t.same(receptionOf('eth0', root), { queues: 2, processors: [2, 4, 5], steered: false, node: 1 })
  t.equal(receptionOf('veth0', root), undefined, 'nothing interrupts for it')
  t.same(receptionOf('veth1', root), { queues: 1, processors: [0, 5, 32], steered: true, node: undefined })
  t.equal(receptionOf('gone', root), undefined)

  const device = 'sys/devices/pci0/virtio2/mtu'
  const virtio = tree('virtio', {
    [device]: '',
    'sys/devices/pci0/numa_node': '0\n',
    'sys/devices/pci0/msi_irqs/37': 'msix\n',
    'sys/devices/pci0/msi_irqs/38': 'msix\n',
    'sys/devices/pci0/msi_irqs/39': 'msix\n',
    ...interrupt(37, 'virtio2-config', '0'),
    ...interrupt(38, 'virtio2-input.0', '1'),
    ...interrupt(39, 'virtio2-output.0', '0'),
    'sys/class/net/eth0/queues/rx-0/rps_cpus': '0\n',
  })
  symlinkSync('../../../devices/pci0/virtio2', path.join(virtio, 'sys/class/net/eth0/device'))
  t.same(receptionOf('eth0', virtio), { queues: 1, processors: [1], steered: false, node: 0 })
})

t.test('what follows for the rings', async (t) => {
  const places = {
    usable: [0, 1, 4, 5],
    isolated: [6, 7],
    nodes: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
  }
  const at = (list: number[], more = {}) =>
    placementNotes(
      'eth0',
      { queues: list.length, processors: list, steered: false, node: undefined, ...more },
      places,
    ).map((line: string) => line.replaceAll('\u00a0', ' '))
  t.match(at([4, 5, 6]), [/^eth0 receives on the processors 4-6\. .*: --ring-mode cpu --ring-cpus 4-6$/])
  t.match(at([1, 2, 3, 4]), [
    /--ring-mode cpu --ring-cpus 1,4$/,
    /^eth0 receives on processors that this process does not use: 2-3\.$/,
  ])
  t.same(at([4], { node: 1 }), [])
  t.match(at([2]), [/does not use: 2\.$/])
  t.match(
    placementNotes('eth0', { queues: 1, processors: [4], steered: false, node: 1 }, { ...places, usable: [0, 1] }),
    [
      /does not use: 4\.$/,
      /^eth0 is attached to NUMA node 1 \(processors 4-7\), of which this process uses no processor/,
    ],
  )
  t.same(placementNotes('eth0', { queues: 2, processors: [0, 1] }, { usable: undefined, isolated: [], nodes: [] }), [])
})

t.test('fits a terminal of 80 columns, and is in colour there alone', async (t) => {
  const shown = onTerminal('"$@" doctor')
  const lines = shown.split('\r\n').map((line) => line.replaceAll(/.\[\d+m/g, ''))
  // The lines to paste are as long as they are.
  t.same(
    lines.filter((line) => line.length > 80 && !/^ {4}(?!offloads)\S/.test(line)),
    [],
  )
  t.ok(/^\[3[12]mThis process can/.test(shown.slice(1)))
  t.notOk(ringtap(['doctor']).stdout.includes('\x1b'))
})
