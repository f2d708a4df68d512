import { execFileSync, spawnSync } from 'node:child_process'

import { CaptureError, compileFilter, type FilterFormat, LinkType } from 'ringtap'
import t from 'tap'

import { hosts } from '../helpers/addresses.js'
import { ethernetPackets, packetNumbers, rawPackets, savefile } from '../helpers/packets.js'

// The witness for compiler and interpreter. It must use the addon's libpcap version: versions generate different code.
const tcpdumpHere = spawnSync('tcpdump', ['--version']).error === undefined
const withTcpdump = tcpdumpHere ? {} : { skip: 'NO TCPDUMP: this test needs it' }
const tcpdump = (args: string[], input?: Buffer) =>
  execFileSync('tcpdump', args, { input, stdio: ['pipe', 'pipe', 'ignore'], maxBuffer: 1 << 26 })

const forBoth = [
  '',
  ' \t\n ',
  'ip',
  'ip6',
  'not ip',
  'tcp port 80',
  'not port 80',
  'tcp and not port 443',
  'udp and (port 53 or port 5353)',
  'host 10.0.0.1',
  'src host 10.0.0.1 and dst net 10.0.0.0/16',
  'net 192.168.7.0 mask 255.255.255.0',
  'portrange 5000-6000',
  'icmp[icmptype] == icmp-echo',
  'icmp or icmp6',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[13] & 2 != 0 and ip[6:2] & 0x1fff = 0',
  'ip[2:2] - ((ip[0] & 0xf) << 2) > 100',
  'ip[0] & 0xf > 5',
  '(ip[8] * 2 + 1) / ip[9] > 7',
  'ip[8] / (ip[1]) >= 0',
  'ip multicast',
  'ip proto 132',
  'ip6 host fd00::2',
  'ip6 proto 58',
  'len > 500',
  'greater 100 and less 300',
  Array.from({ length: 60 }, (_, i) => `host 10.0.0.${i}`).join(' or '),
]

const forEthernet = [
  'arp',
  'rarp or arp',
  'arp or ip',
  'broadcast',
  'ether multicast',
  'ether host 02:00:00:00:00:01',
  'ether dst ff:ff:ff:ff:ff:ff',
  'ether proto 0x86dd',
  'ether[0] & 1 = 0',
  'stp',
  'llc',
  'vlan',
  'vlan 5',
  'vlan 7 and vlan 5 and tcp port 80',
  'port 53 or (vlan 5 and port 80)',
]

const cases = [
  {
    linkType: LinkType.ETHERNET,
    name: 'EN10MB',
    packets: ethernetPackets(),
    expressions: [...forBoth, ...forEthernet],
  },
  { linkType: LinkType.RAW, name: 'RAW', packets: rawPackets(), expressions: forBoth },
]

for (const { linkType, name, packets, expressions } of cases) {
  t.test(`${name}: the program is the same as from tcpdump`, withTcpdump, async (t) => {
    const flags: [FilterFormat, string][] = [
      ['assembly', '-d'],
      ['c', '-dd'],
      ['decimal', '-ddd'],
    ]
    for (const expression of expressions) {
      const filter = await compileFilter(expression, { linkType })
      for (const [format, flag] of flags) {
        t.equal(filter.format(format), tcpdump(['-y', name, flag, expression]).toString(), `${flag} ${expression}`)
      }
      t.equal(filter.listing, filter.format())
      t.equal(String(filter), filter.listing)
    }
  })

  t.test(`${name}: a packet matches where it matches in tcpdump`, withTcpdump, async (t) => {
    const file = savefile(packets, linkType)
    for (const expression of expressions) {
      const filter = await compileFilter(expression, { linkType })
      const ours = packets.flatMap(({ bytes, originalLength }, i) => (filter.matches(bytes, originalLength) ? [i] : []))
      t.same(ours, packetNumbers(tcpdump(['-r', '-', '-w', '-', expression], file)), expression)
    }
  })
}

t.test('a filter has the properties it was compiled from', async (t) => {
  const filter = await compileFilter('tcp', { linkType: LinkType.RAW, snapshotLength: 96 })
  t.equal(filter.expression, 'tcp')
  t.equal(filter.linkType, 101)
  t.equal(filter.snapshotLength, 96)
  t.ok(Object.isFrozen(filter))
  t.ok(Object.isFrozen(filter.instructions))
  t.ok(Object.isFrozen(filter.instructions[0]))
  t.equal(filter.instructions, filter.instructions, 'one array')
  t.ok(
    filter.instructions.some(({ code, k }) => code === 6 && k === 96),
    'returns the snapshot length',
  )

  const everything = await compileFilter('')
  t.same(everything.instructions, [{ code: 6, jt: 0, jf: 0, k: 262144 }])
  t.equal(everything.linkType, LinkType.ETHERNET)
  t.ok(everything.matches(new Uint8Array(0)))
})

t.test('matches() takes any Uint8Array and the length on the wire', async (t) => {
  const filter = await compileFilter('ether[1] = 7')
  const memory = new Uint8Array([9, 9, 1, 7, 9])
  t.ok(filter.matches(memory.subarray(2)))
  t.notOk(filter.matches(memory))
  t.notOk(filter.matches(memory.subarray(2, 3)), 'nothing beyond the end is read')
  t.ok(filter.matches(Buffer.from([0, 7])))
  const shared = new Uint8Array(new SharedArrayBuffer(2))
  shared[1] = 7
  t.ok(filter.matches(shared))

  const long = await compileFilter('greater 1000')
  t.notOk(long.matches(new Uint8Array(60)))
  t.notOk(long.matches(new Uint8Array(60), undefined))
  t.ok(long.matches(new Uint8Array(60), 1500))

  for (const bytes of [
    undefined,
    null,
    'abc',
    [1, 2],
    new Uint16Array(2),
    new ArrayBuffer(4),
    new DataView(new ArrayBuffer(4)),
  ]) {
    t.throws(() => long.matches(bytes as unknown as Uint8Array), {
      code: 'ERR_OPTION',
      message: /^bytes must be a Uint8Array; got /,
    })
  }
  t.notOk(long.matches(new Uint8Array(1500), 60), 'more bytes than the packet is said to have')
  t.ok((await compileFilter('ether[70] = 0 and less 60')).matches(new Uint8Array(1500), 60))
  for (const length of [-1, 60.5, Number.NaN, 2 ** 32, '60', null]) {
    t.throws(() => long.matches(new Uint8Array(60), length as number), {
      code: 'ERR_OPTION',
      message: /^originalLength must be/,
    })
  }
  t.throws(() => long.format('hex' as FilterFormat), { code: 'ERR_OPTION', message: /^format must be .*"hex"/ })
})

t.test('an expression that libpcap refuses is an error with its message', async (t) => {
  const refused: [string, number, RegExp][] = [
    ['tcp prt 80', LinkType.ETHERNET, /^filter "tcp prt 80": .*syntax error$/],
    ['(ip', LinkType.ETHERNET, /syntax error/],
    ['port 70000', LinkType.ETHERNET, /70000/],
    ['host 10.0.0.256', LinkType.ETHERNET, /10\.0\.0\.256/],
    ['ip and arp', LinkType.ETHERNET, /expression rejects all packets/],
    ['ip broadcast', LinkType.ETHERNET, /netmask/],
    ['ether host 02:00:00:00:00:01', LinkType.RAW, /ethernet/i],
    ['arp', LinkType.RAW, /expression rejects all packets/],
    ['ip6 protochain 58', LinkType.ETHERNET, /needs a loop/],
    ['tcp\0 or udp', LinkType.ETHERNET, /^filter "tcp {2}or udp": it holds a NUL byte$/],
    [`${'('.repeat(20000)}ip${')'.repeat(20000)}`, LinkType.ETHERNET, /^filter "\(\(.{1,100}…": /],
    [`x${'ü'.repeat(200)}`, LinkType.ETHERNET, /^filter "xü{49}…": /],
  ]
  for (const [expression, linkType, message] of refused) {
    const error = await compileFilter(expression, { linkType }).catch((error: unknown) => error)
    t.ok(error instanceof CaptureError)
    t.match(error, { code: 'ERR_FILTER_SYNTAX', message }, expression.slice(0, 60))
  }
  await t.rejects(compileFilter('tcp', { linkType: 60000 }), { code: 'ERR_OPTION', message: /link type 60000/ })
})

t.test('a program longer than the kernel accepts is refused', async (t) => {
  const list = (count: number, one: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => one(i)).join(' or ')
  const fits = list(400, (i) => `ether host 2:0:0:0:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`)
  t.ok((await compileFilter(fits)).instructions.length > 3500)

  const tooLong = list(450, (i) => `ether host 2:0:0:0:${(i >> 8).toString(16)}:${(i & 255).toString(16)}`)
  await t.rejects(compileFilter(tooLong), {
    code: 'ERR_FILTER_TOO_LARGE',
    message: /too large: \d+ instructions; .*4096/,
  })
  const hopeless = list(6000, (i) => `host 10.0.${i >> 8}.${i & 255}`)
  await t.rejects(compileFilter(hopeless), {
    code: 'ERR_FILTER_TOO_LARGE',
    message: /too large: 600\d different words/,
  })
  const repeated = list(9000, () => 'port 80')
  await t.rejects(compileFilter(repeated), { code: 'ERR_FILTER_TOO_LARGE', message: /too large: 26999 words/ })
})

t.test('a wrong argument is refused', async (t) => {
  const wrong: [unknown[], RegExp][] = [
    [[], /^expression must be a string; got undefined$/],
    [[80], /^expression must be a string; got the number 80$/],
    [[new String('ip')], /^expression must be a string; got an object/],
    [['ip', null], /^options must be an object; got null$/],
    [['ip', { linktype: 1 }], /^options.linktype is not an option/],
    [['ip', 101], /^options must be an object; got the number 101$/],
    [['ip', { linkType: -1 }], /^linkType must be a whole number from 0 to 65535; got the number -1$/],
    [['ip', { linkType: 'RAW' }], /^linkType must be/],
    [['ip', { linkType: null }], /^linkType must be .*; got null$/],
    [['ip', { snapshotLength: null }], /^snapshotLength must be .*; got null$/],
    [['ip', { linkType: 65536 }], /^linkType must be/],
    [['ip', { snapshotLength: 0 }], /^snapshotLength must be a whole number from 1 to 262144; got the number 0$/],
    [['ip', { snapshotLength: 262145 }], /^snapshotLength must be/],
    [['ip', { snapshotLength: 1.5 }], /^snapshotLength must be/],
    [['ip', { snapshotLength: 96n }], /^snapshotLength must be/],
  ]
  for (const [args, message] of wrong) {
    await t.rejects((compileFilter as (...args: unknown[]) => Promise<unknown>)(...args), {
      code: 'ERR_OPTION',
      message,
    })
  }
  t.ok(await compileFilter('ip', { linkType: undefined, snapshotLength: undefined }))
})

t.test('compiling leaves the event loop free', async (t) => {
  let turns = 0
  const turn = () => {
    turns++
    timer = setImmediate(turn)
  }
  let timer = setImmediate(turn)
  await compileFilter(hosts(100))
  clearImmediate(timer)
  t.ok(turns > 0)
})

t.test('concurrent compilations do not interfere', async (t) => {
  const results = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      if (i % 5 === 4) return (await compileFilter(`nonsense${i} !`).catch((error: Error) => error)).toString()
      const filter = await compileFilter(`tcp port ${i + 1}`, { linkType: i % 2 ? LinkType.RAW : LinkType.ETHERNET })
      return filter.listing
    }),
  )
  results.forEach((text, i) => t.match(text, i % 5 === 4 ? `nonsense${i} !` : `jeq      #0x${(i + 1).toString(16)} `))
})

t.test('a process can exit while it compiles', async (t) => {
  const program = `import('ringtap').then(({ compileFilter }) => { compileFilter('${hosts(100)}'); process.exit(7) })`
  const { status, signal } = spawnSync(process.execPath, ['-e', program])
  t.same({ status, signal }, { status: 7, signal: null })
})
