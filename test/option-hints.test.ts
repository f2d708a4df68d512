import {
  Capture,
  CaptureError,
  type CaptureOptions,
  compileFilter,
  listInterfaces,
  openFile,
  watchInterfaces,
} from 'ringtap'
import t from 'tap'

async function refusal(act: () => unknown): Promise<CaptureError> {
  const error = await new Promise((resolve) => resolve(act())).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof CaptureError && error.code === 'ERR_OPTION') return error
  throw new Error(`expected ERR_OPTION, got ${error}`)
}

t.test('an option of another library: what it is called here', async (t) => {
  for (const [options, option, instead] of [
    [{ snaplen: 64 }, 'snaplen', 'snapshotLength'],
    [{ snapLength: 64 }, 'snapLength', 'snapshotLength'],
    [{ snap_length: 64 }, 'snap_length', 'snapshotLength'],
    [{ snapshotlength: 64 }, 'snapshotlength', 'snapshotLength'],
    [{ 'snapshot-length': 64 }, 'snapshot-length', 'snapshotLength'],
    [{ promisc: true }, 'promisc', 'promiscuous'],
    [{ promiscuousMode: true }, 'promiscuousMode', 'promiscuous'],
    [{ device: 'eth0' }, 'device', 'interfaces'],
    [{ iface: 'eth0' }, 'iface', 'interfaces'],
    [{ interface: 'eth0' }, 'interface', 'interfaces'],
    [{ include: '^eth' }, 'include', 'interfaces: { include, exclude, loopback, hotplug }'],
    [{ bpf: 'tcp' }, 'bpf', 'filter'],
    [{ bpf_filter: 'tcp' }, 'bpf_filter', 'filter'],
    [{ bufferSize: 1 }, 'bufferSize', 'ring: { memory }, in bytes'],
    [{ buffer_size: 1 }, 'buffer_size', 'ring: { memory }, in bytes'],
    [{ blockSize: 1 }, 'blockSize', 'ring: { memory, blockSize }'],
    [{ timeout: 1 }, 'timeout', 'chunk: { maxDelay }, the milliseconds after which packets are handed over'],
    [
      { buffer_timeout: 1 },
      'buffer_timeout',
      'chunk: { maxDelay }, the milliseconds after which packets are handed over',
    ],
    [{ immediateMode: true }, 'immediateMode', 'chunk: { maxDelay: 1 }'],
    [{ monitor: true }, 'monitor', 'no option: a device is put into monitor mode with iw(8)'],
    [{ offline: 'a.pcap' }, 'offline', 'openFile(path), which reads savefiles'],
    [{ netNs: '/run/netns/blue' }, 'netNs', 'netns'],
    [{ ring: { bufferSize: 1 } }, 'ring.bufferSize', 'memory'],
    [{ ring: { block_size: 1 } }, 'ring.block_size', 'blockSize'],
    [{ chunk: { timeout: 1 } }, 'chunk.timeout', 'maxDelay'],
    [{ interfaces: { hotPlug: true } }, 'interfaces.hotPlug', 'hotplug'],
  ] as const) {
    const error = await refusal(() => Capture.open(options as unknown as CaptureOptions))
    const key = option.slice(option.lastIndexOf('.') + 1)
    t.ok(error.message.endsWith(`; instead of ${key} write ${instead}`), error.message)
    t.match(error.message, / is not an option; known are /)
    t.equal(error.option, option)
  }
})

t.test('where it is called otherwise, or not at all', async (t) => {
  t.match(await refusal(() => compileFilter('ip', { snaplen: 1 } as object)), {
    message: /; instead of snaplen write snapshotLength$/,
  })
  t.match(await refusal(() => compileFilter('ip', { timeout: 1 } as object)), { message: /source, byteOrder$/ })
  t.match(await refusal(() => openFile('x', { bpf: 'tcp' } as object)), { message: /; instead of bpf write filter$/ })
  t.match(await refusal(() => watchInterfaces({ maxqueue: 1 } as object)), {
    message: /no option "maxqueue"; .*; instead of maxqueue write maxQueue$/,
  })
  t.match(await refusal(() => Capture.open({ constructor: 1 } as object)), { message: /, signal$/ })
})

t.test('a network namespace by its name', async (t) => {
  t.match(await refusal(() => listInterfaces({ netns: 'none-such' })), {
    message:
      'netns none-such cannot be opened: open: No such file or directory; a namespace of ip-netns(8) has the path /run/netns/none-such',
  })
  t.match(await refusal(() => listInterfaces({ netns: '4711' })), {
    message: /; the namespace of a process has the path \/proc\/4711\/ns\/net$/,
  })
  t.match(await refusal(() => watchInterfaces({ netns: '/run/netns/none-such' })), {
    message: /No such file or directory$/,
  })
  t.match(await refusal(() => listInterfaces({ netns: 4711 } as unknown as object)), {
    message: 'netns must be the path of a network namespace, such as /run/netns/blue; got the number 4711',
  })
})
