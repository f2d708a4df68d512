import {
  Capture,
  CaptureError,
  type CaptureOptions,
  compileFilter,
  explainSelection,
  hexdump,
  listInterfaces,
  watchInterfaces,
} from 'ringtap'
import t from 'tap'

/** Options are checked before any system call, so these tests need no privilege. */
async function refused(options: unknown, code = 'ERR_OPTION'): Promise<string> {
  try {
    const capture = await Capture.open(options as CaptureOptions)
    await capture.close()
  } catch (error) {
    if (error instanceof CaptureError && error.code === code) return error.message
    throw error
  }
  throw new Error(`${JSON.stringify(options)} was taken`)
}

const MiB = 1 << 20

/** Options with a value of the wrong kind, and the message of the error. */
const wrongKinds: [unknown, string | RegExp][] = [
  [null, 'options must be an object; got null'],
  ['eth0', 'options must be an object; got the string "eth0"'],
  [['eth0'], 'options must be an object; got an array'],
  [{ interfaces: 5 }, /^interfaces must be a name, a list of names or \{.*\}; got the number 5$/],
  [{ interfaces: '' }, 'interfaces must be the exact name of an interface; got the string ""'],
  [{ interfaces: [] }, /^interfaces must name at least one interface; got an empty list/],
  [{ interfaces: ['eth0', 7] }, 'interfaces[1] must be the exact name of an interface; got the number 7'],
  [{ interfaces: /eth/ }, /^interfaces must be .*; got a RegExp: write \{ include: … \}$/],
  [{ interfaces: { include: '^eth', hotplug: 'yes' } }, 'interfaces.hotplug must be a boolean; got the string "yes"'],
  [{ interfaces: { loopback: 1 } }, 'interfaces.loopback must be a boolean; got the number 1'],
  [{ interfaces: { include: 5 } }, /^interfaces\.include must be .*; got the number 5$/],
  [{ interfaces: { exclude: ['a', null] } }, /^interfaces\.exclude\[1\] must be .*; got null$/],
  [{ filter: 80 }, 'filter must be a pcap-filter expression; got the number 80'],
  [{ filter: null }, 'filter must be a pcap-filter expression; got null'],
  [{ snapshotLength: 0 }, 'snapshotLength must be a whole number from 1 to 262144 bytes; got the number 0'],
  [{ snapshotLength: 262_145 }, /^snapshotLength must be .*; got the number 262145$/],
  [{ snapshotLength: 1.5 }, /; got the number 1\.5$/],
  [{ snapshotLength: '64' }, /; got the string "64"$/],
  [{ snapshotLength: Number.NaN }, /; got the number NaN$/],
  [{ promiscuous: 1 }, 'promiscuous must be a boolean; got the number 1'],
  [{ dedupe: 'yes' }, 'dedupe must be a boolean; got the string "yes"'],
  [{ direction: 'inout' }, "direction must be 'both' or 'in' or 'out'; got the string \"inout\""],
  // undefined means not given; null is an error.
  [{ direction: null }, /^direction must be .*; got null$/],
  [{ interfaces: null }, /^interfaces must be .*; got null$/],
  [{ snapshotLength: null }, /^snapshotLength must be .*; got null$/],
  [{ promiscuous: null }, /^promiscuous must be .*; got null$/],
  [{ dedupe: null }, /^dedupe must be .*; got null$/],
  [{ backend: null }, /^backend must be .*; got null$/],
  [{ signal: null }, /^signal must be .*; got null$/],
  [{ ring: { memory: null } }, /^ring\.memory must be .*; got null$/],
  [{ ring: { blockSize: null } }, /^ring\.blockSize must be .*; got null$/],
  [{ ring: { count: null } }, /^ring\.count must be .*; got null$/],
  [{ ring: { maxStall: null } }, /^ring\.maxStall must be .*; got null$/],
  [{ ring: { table: null } }, /^ring\.table must be .*; got null$/],
  [{ chunk: { maxDelay: null } }, /^chunk\.maxDelay must be .*; got null$/],
  [{ chunk: { copy: null } }, /^chunk\.copy must be .*; got null$/],
  [{ overflow: { memory: null } }, /^overflow\.memory must be .*; got null$/],
  [{ ring: 5 }, 'ring must be an object; got the number 5'],
  [{ ring: null }, 'ring must be an object; got null'],
  [
    { ring: { memory: MiB - 1 } },
    /^ring\.memory must be a whole number from 1048576 to \d+ bytes; got the number 1048575$/,
  ],
  [{ ring: { memory: '64' } }, /^ring\.memory must be .*; got the string "64"$/],
  [{ ring: { memory: 64n } }, /; got the bigint 64$/],
  [
    { ring: { blockSize: 65_536 } },
    /^ring\.blockSize must be a whole number from 262144 to .* bytes; got the number 65536$/,
  ],
  [{ ring: { blockSize: 300_000 } }, 'ring.blockSize must be a power of two; got the number 300000'],
  [
    { ring: { memory: 2 * MiB, blockSize: MiB } },
    /^ring\.memory must hold at least 4 blocks.*; 2097152 bytes hold 2 of 1048576$/,
  ],
  [{ ring: { count: 0 } }, /^ring\.count must be a whole number from 1 to 64; got the number 0$/],
  [{ ring: { count: 65 } }, /^ring\.count/],
  [{ ring: { perInterface: true } }, 'ring.perInterface must be a whole number from 0 to 63; got the boolean true'],
  [{ ring: { perInterface: 64 } }, /; got the number 64$/],
  [{ ring: { perInterface: -1 } }, /; got the number -1$/],
  [{ ring: { perInterface: 1, count: 1 } }, 'ring.perInterface and ring.count exclude each other'],
  [{ ring: { perInterface: 1, mode: 'cpu' } }, 'ring.perInterface and ring.mode exclude each other'],
  [{ ring: { group: { id: 1 }, mode: 'cpu' } }, 'ring.group and ring.mode exclude each other'],
  [{ ring: { mode: 'lb' } }, "ring.mode must be 'hash' or 'cpu'; got the string \"lb\""],
  [{ ring: { mode: null } }, /^ring\.mode must be .*; got null$/],
  [{ ring: { cpus: [] } }, "ring.cpus must be 'auto' or a list of 1 to 64 processors, one for each ring; got an array"],
  [{ ring: { cpus: 1 } }, /^ring\.cpus must be .*; got the number 1$/],
  [{ ring: { cpus: '0-1' } }, /^ring\.cpus must be .*; got the string "0-1"$/],
  [{ ring: { cpus: null } }, /^ring\.cpus must be .*; got null$/],
  [{ ring: { cpus: [0], count: 2 } }, /^ring\.cpus must be 'auto' or a list of 2 processors, .*; got an array$/],
  [{ ring: { cpus: [0, 1], perInterface: 2 } }, /^ring\.cpus must be 'auto' or a list of 3 processors/],
  [{ ring: { cpus: Array.from({ length: 65 }, (_, i) => i) } }, /^ring\.cpus must be .* 1 to 64 processors/],
  [{ ring: { cpus: [0, -1] } }, 'ring.cpus[1] must be a whole number from 0 to 8191; got the number -1'],
  [{ ring: { cpus: [8192] } }, /^ring\.cpus\[0\] must be .*; got the number 8192$/],
  [{ ring: { cpus: ['0'] } }, /^ring\.cpus\[0\] must be .*; got the string "0"$/],
  [{ ring: { cpus: [0, 0] } }, 'ring.cpus must have each processor once; 0 is there twice'],
  [
    { ring: { cpus: 'auto', count: 64, memory: 64 * MiB } },
    /^ring\.cpus cannot be 'auto' with 64 rings: this process uses \d+ processors$/,
  ],
  [{ backend: 'pcap', ring: { cpus: [0] } }, "ring.cpus has no meaning with backend: 'pcap'"],
  [{ ring: { group: 7 } }, 'ring.group must be an object; got the number 7'],
  [{ ring: { group: null } }, 'ring.group must be an object; got null'],
  [{ ring: { group: {} } }, 'ring.group.id must be a whole number from 1 to 65535; got undefined'],
  [{ ring: { group: { id: 0 } } }, /; got the number 0$/],
  [{ ring: { group: { id: 65_536 } } }, /; got the number 65536$/],
  [{ ring: { group: { id: 1, mode: 'random' } } }, /^ring\.group\.mode must be 'hash' or .* or 'qm'; got the string/],
  [{ ring: { group: { id: 1, rollover: 1 } } }, 'ring.group.rollover must be a boolean; got the number 1'],
  [{ ring: { group: { id: 1, defragment: 1 } } }, 'ring.group.defragment must be a boolean; got the number 1'],
  [
    { ring: { group: { id: 1, mode: 'rollover', rollover: true } } },
    "ring.group.rollover must be left out with mode 'rollover'; got the boolean true",
  ],
  [{ ring: { group: { id: 1, size: 2 } } }, /^ring\.group\.size is not an option; known are id, mode, /],
  [{ ring: { group: { id: 1 }, perInterface: 1 } }, 'ring.group and ring.perInterface exclude each other'],
  [{ backend: 'pcap', ring: { group: { id: 1 } } }, "ring.group has no meaning with backend: 'pcap'"],
  [
    { ring: { perInterface: 3, memory: 3 * MiB } },
    /^ring\.memory must be a whole number from 4194304 to .* bytes; got the number 3145728$/,
  ],
  [{ ring: { maxStall: 0 } }, /^ring\.maxStall must be .* milliseconds; got the number 0$/],
  [{ ring: { maxStall: Number.POSITIVE_INFINITY } }, /; got the number Infinity$/],
  [{ ring: { table: 'bpf' } }, "ring.table must be 'auto' or 'ebpf' or 'classic'; got the string \"bpf\""],
  [{ chunk: [] }, 'chunk must be an object; got an array'],
  [{ chunk: { maxDelay: 0 } }, 'chunk.maxDelay must be a whole number from 1 to 10000 milliseconds; got the number 0'],
  [{ chunk: { maxDelay: 10_001 } }, /; got the number 10001$/],
  [{ chunk: { copy: 'yes' } }, 'chunk.copy must be a boolean; got the string "yes"'],
  [{ netns: 5 }, /^netns must be .*; got the number 5$/],
  [{ netns: '' }, /^netns must be .*; got the string ""$/],
  [{ netns: null }, /^netns must be .*; got null$/],
  [{ overflow: true }, 'overflow must be an object; got the boolean true'],
  [{ overflow: { memory: -1 } }, /^overflow\.memory must be a whole number from 0 to \d+ bytes; got the number -1$/],
  [{ loss: 5 }, 'loss must be an object; got the number 5'],
  [{ loss: null }, 'loss must be an object; got null'],
  [{ loss: { window: 99 } }, 'loss.window must be a whole number from 100 to 3600000 milliseconds; got the number 99'],
  [{ loss: { window: 3_600_001 } }, /^loss\.window must be .*; got the number 3600001$/],
  [{ loss: { window: '60s' } }, /^loss\.window must be .*; got the string "60s"$/],
  [{ loss: { window: null } }, /^loss\.window must be .*; got null$/],
  [{ loss: { warn: 0 } }, 'loss.warn must be a number above 0, at most 1; got the number 0'],
  [{ loss: { warn: 3 } }, 'loss.warn must be a number above 0, at most 1; got the number 3'],
  [{ loss: { warn: null } }, /^loss\.warn must be .*; got null$/],
  [{ loss: { warn: Number.NaN } }, /^loss\.warn must be .*; got the number NaN$/],
  [{ loss: { critical: '5%' } }, 'loss.critical must be a number above 0, at most 1; got the string "5%"'],
  [{ loss: { critical: -0.05 } }, /^loss\.critical must be .*; got the number -0\.05$/],
  [{ loss: { warn: 0.2, critical: 0.1 } }, 'loss.warn must be at most loss.critical, 0.1; got the number 0.2'],
  [{ loss: { minimum: 0 } }, 'loss.minimum must be a whole number from 1 to 1000000000 packets; got the number 0'],
  [{ loss: { minimum: null } }, /^loss\.minimum must be .*; got null$/],
  [{ timestamps: 'adapter' }, "timestamps must be 'system' or 'hardware'; got the string \"adapter\""],
  [
    { backend: 'pcap', timestamps: 'hardware' },
    "timestamps: 'hardware' is not available with backend: 'pcap', which does not report a packet's clock",
  ],
  [{ backend: 'dpdk' }, "backend must be 'ring' or 'pcap'; got the string \"dpdk\""],
  [{ signal: {} }, 'signal must be an AbortSignal; got an object (Object)'],
]

t.test('the error for a value of the wrong kind names what was expected and what was given', async (t) => {
  for (const [options, message] of wrongKinds) {
    t.match(await refused(options), message)
  }
})

t.test('a key that is not an option is refused at every level', async (t) => {
  t.match(await refused({ interface: 'eth0' }), /^options\.interface is not an option; known are interfaces, filter, /)
  t.match(await refused({ ring: { size: 5 } }), /^ring\.size is not an option; known are memory, blockSize, /)
  t.match(await refused({ chunk: { delay: 5 } }), /^chunk\.delay is not an option; known are maxDelay, copy$/)
  t.match(
    await refused({ loss: { warning: 5 } }),
    /^loss\.warning is not an option; known are window, warn, critical, minimum$/,
  )
  t.match(await refused({ overflow: { size: 5 } }), /^overflow\.size is not an option; known are memory$/)
  t.match(
    await refused({ interfaces: { includes: 'eth' } }),
    /^interfaces\.includes is not an option; known are include, /,
  )
})

t.test('ring.maxStall that the ring cannot bridge is refused with values that would do', async (t) => {
  t.match(
    await refused({ ring: { maxStall: 2000, memory: 4 * MiB }, chunk: { maxDelay: 20 } }),
    /^ring\.maxStall of 2000 ms cannot be kept: 16 blocks handed over after 20 ms each last 300 ms; raise ring\.memory to 26476544 bytes, or chunk\.maxDelay to 134 ms$/,
  )
  t.match(await refused({ ring: { maxStall: 3_600_000, memory: MiB } }), /^ring\.maxStall of 3600000 ms cannot be kept/)
})

t.test('options that have no meaning with libpcap are refused', async (t) => {
  const backend = 'pcap'
  for (const ring of [{ count: 1 }, { blockSize: MiB }, { maxStall: 1000 }, { table: 'auto' }]) {
    const key = Object.keys(ring)[0]
    t.equal(await refused({ backend, ring }), `ring.${key} has no meaning with backend: 'pcap'`)
  }
  t.match(
    await refused({ backend, ring: { memory: MiB - 1 } }),
    /^ring\.memory must be a whole number from 1048576 to \d+ bytes; got the number 1048575$/,
  )
  t.match(
    await refused({ backend, overflow: { memory: 2 * MiB - 1 } }),
    /^overflow\.memory must be a whole number from 2097152 to \d+ bytes; got the number 2097151$/,
  )
  t.match(await refused({ backend, ring: { size: 5 } }), /^ring\.size is not an option; known are memory, /)
})

t.test('the error for a bad pattern names the option', async (t) => {
  t.match(await refused({ interfaces: { include: '(' } }, 'ERR_PATTERN'), /interfaces\.include.*\(/)
  t.match(await refused({ interfaces: { exclude: ['ok', '['] } }, 'ERR_PATTERN'), /interfaces\.exclude\[1\]/)
})

t.test('a loss threshold that is given moves the default of the other', async (t) => {
  // Not exported: loaded from beside the package's entry point.
  const { normaliseOptions } = await import(
    new URL('./capture/capture-options.js', import.meta.resolve('ringtap')).href
  )
  const lossOf = (loss?: CaptureOptions['loss']) => normaliseOptions({ loss }).loss
  t.same(lossOf(), { window: 60_000, warn: 0.03, critical: 0.05, minimum: 10 }, 'the defaults')
  t.same(lossOf({}), lossOf())
  t.match(lossOf({ warn: 0.2 }), { warn: 0.2, critical: 0.2 })
  t.match(lossOf({ critical: 0.01 }), { warn: 0.01, critical: 0.01 })
  t.match(lossOf({ warn: 0.5, critical: 1 }), { warn: 0.5, critical: 1 })
  t.match(lossOf({ window: 100, minimum: 1 }), { window: 100, minimum: 1, warn: 0.03 })
})

/** Wrong options, and the `option` of the error. */
const wrongOptions: [unknown, string][] = [
  ['eth0', 'options'],
  [{ interface: 'eth0' }, 'interface'],
  [{ interfaces: 5 }, 'interfaces'],
  [{ interfaces: [] }, 'interfaces'],
  [{ interfaces: /eth/ }, 'interfaces'],
  [{ interfaces: ['eth0', 7] }, 'interfaces[1]'],
  [{ interfaces: { include: '(' } }, 'interfaces.include'],
  [{ interfaces: { include: 5 } }, 'interfaces.include'],
  [{ interfaces: { exclude: ['ok', '['] } }, 'interfaces.exclude[1]'],
  [{ interfaces: { includes: 'eth' } }, 'interfaces.includes'],
  [{ interfaces: { hotplug: 1 } }, 'interfaces.hotplug'],
  [{ filter: 80 }, 'filter'],
  [{ snapshotLength: 0 }, 'snapshotLength'],
  [{ backend: 'af_xdp' }, 'backend'],
  [{ backend: 'pcap', dedupe: true }, 'dedupe'],
  [{ backend: 'pcap', sample: { flows: 0.5 } }, 'sample'],
  [{ backend: 'pcap', slice: 'l4' }, 'slice'],
  [{ sample: { flows: 2 } }, 'sample.flows'],
  [{ sample: { flows: 0.5, seed: -1 } }, 'sample.seed'],
  [{ slice: 'l5' }, 'slice'],
  [{ backend: 'pcap', timestamps: 'hardware' }, 'timestamps'],
  [{ backend: 'pcap', excludeHosts: '10.0.0.1' }, 'excludeHosts'],
  [{ excludeConnections: [{ localAddress: '::1' }] }, 'excludeConnections[0].remoteAddress'],
  [{ ring: { memory: 2 * MiB, blockSize: MiB } }, 'ring.memory'],
  [{ ring: { maxStall: 2000, memory: 4 * MiB }, chunk: { maxDelay: 20 } }, 'ring.maxStall'],
  [{ ring: { size: 1 } }, 'ring.size'],
  [{ chunk: { maxDelay: 0 } }, 'chunk.maxDelay'],
  [{ overflow: { memory: -1 } }, 'overflow.memory'],
  [{ loss: { warn: 0.2, critical: 0.1 } }, 'loss.warn'],
  [{ netns: '' }, 'netns'],
  [{ signal: {} }, 'signal'],
]

t.test('the error names the option in its option property', async (t) => {
  for (const [options, option] of wrongOptions) {
    const error = await Capture.open(options as CaptureOptions).then(
      () => t.fail(`${JSON.stringify(options)} was taken`),
      (error) => error,
    )
    t.equal(error.option, option, JSON.stringify(options))
    t.ok(error.message.includes(option), error.message)
  }
  t.notOk('option' in new CaptureError('ERR_CLOSED', 'x'), 'absent where it means nothing')

  const failing = (run: () => unknown) => {
    try {
      run()
    } catch (error) {
      return error
    }
    return undefined
  }
  t.match(
    failing(() => explainSelection('eth0', { exclude: '(' })),
    { option: 'selection.exclude' },
  )
  t.match(
    failing(() => hexdump(new Uint8Array(1), { width: 0 })),
    { option: 'width' },
  )
  t.match(
    failing(() => hexdump(5 as never)),
    { option: 'data' },
  )
  t.match(
    failing(() => listInterfaces({ netns: '/none/such' })),
    { option: 'netns' },
  )
  t.match(
    failing(() => watchInterfaces({ netns: '/none/such' })),
    { option: 'netns' },
  )
  t.match(
    failing(() => watchInterfaces({ maxQueue: 0 })),
    { option: 'maxQueue' },
  )
  t.match(
    failing(() => watchInterfaces({ queue: 0 } as never)),
    { option: 'queue' },
  )
  await t.rejects(compileFilter('prot 80'), { code: 'ERR_FILTER_SYNTAX', option: 'expression' })
  await t.rejects(compileFilter('ip', { linkType: 60_000 }), { code: 'ERR_OPTION', option: 'linkType' })
  await t.rejects(compileFilter('ip', { snapshotLength: 0 }), { code: 'ERR_OPTION', option: 'snapshotLength' })
})

t.test('the constructor of Capture throws', (t) => {
  t.throws(() => (Capture.prototype as { stats(): unknown }).stats())
  t.end()
})
