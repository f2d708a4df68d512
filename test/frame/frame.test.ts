// Frames as Wireshark reads them: every field as it was given, every length and checksum right.
import { writeFileSync } from 'node:fs'
import { CaptureError, type FrameLayers, frame, LinkType } from 'ringtap'
import { test } from 'tap'
import { hex } from '../helpers/hex.js'
import { pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'
import { run } from '../helpers/wireshark.js'

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const ipv4 = { source: '10.0.0.1', destination: '192.0.2.255' }
const ipv6 = { source: '2001:db8::1', destination: 'ff02::1:ff00:2' }
const tcp = { sourcePort: 1025, destinationPort: 443, flags: ['SYN'] } as const
const udp = { sourcePort: 50000, destinationPort: 49152 }
/** What tshark writes of a checksum that is right. */
const right = '1'
const wrong = '0'

interface Case {
  what: string
  layers: FrameLayers
  /** Fields of tshark; several of one name are joined with commas. */
  fields: Record<string, string>
}

const withLink: Case[] = [
  {
    what: 'ARP request',
    layers: {
      ethernet: { ...ethernet, destination: 'ff:ff:ff:ff:ff:ff' },
      arp: { senderMac: ethernet.source, senderIp: '10.0.0.1', targetIp: '10.0.0.2' },
    },
    fields: {
      'eth.dst': 'ff:ff:ff:ff:ff:ff',
      'eth.src': ethernet.source,
      'arp.opcode': '1',
      'arp.src.hw_mac': ethernet.source,
      'arp.src.proto_ipv4': '10.0.0.1',
      'arp.dst.hw_mac': '00:00:00:00:00:00',
      'arp.dst.proto_ipv4': '10.0.0.2',
    },
  },
  {
    what: 'ARP reply, and an operation by number',
    layers: {
      ethernet,
      arp: {
        operation: 'reply',
        senderMac: 'aa-bb-cc-dd-ee-ff',
        senderIp: '1.2.3.4',
        targetMac: ethernet.source,
        targetIp: '0.0.0.0',
      },
    },
    fields: { 'arp.opcode': '2', 'arp.src.hw_mac': 'aa:bb:cc:dd:ee:ff', 'arp.dst.hw_mac': ethernet.source },
  },
  {
    what: 'TCP with every field',
    layers: {
      ethernet,
      ipv4: {
        ...ipv4,
        ttl: 3,
        tos: 0xb8,
        identification: 0xbeef,
        dontFragment: true,
        options: Uint8Array.of(0x94, 4, 0, 0),
      },
      tcp: {
        sourcePort: 65535,
        destinationPort: 80,
        sequence: 0xfffffffe,
        acknowledgment: 0x80000001,
        flags: ['ACK', 'PSH', 'ECE'],
        window: 17,
        urgent: 9,
        options: Uint8Array.of(2, 4, 5, 0xb4, 1, 3, 3, 7),
      },
      payload: 'odd',
    },
    fields: {
      'ip.hdr_len': '24',
      'ip.len': '55',
      'ip.ttl': '3',
      'ip.dsfield': '0xb8',
      'ip.id': '0xbeef',
      'ip.flags.df': '1',
      'ip.flags.mf': '0',
      'ip.proto': '6',
      'ip.src': '10.0.0.1',
      'ip.dst': '192.0.2.255',
      'ip.checksum.status': right,
      'tcp.srcport': '65535',
      'tcp.dstport': '80',
      'tcp.seq_raw': '4294967294',
      'tcp.ack_raw': '2147483649',
      'tcp.flags': '0x0058',
      'tcp.window_size_value': '17',
      'tcp.urgent_pointer': '9',
      'tcp.hdr_len': '28',
      'tcp.options.mss_val': '1460',
      'tcp.options.wscale.shift': '7',
      'tcp.checksum.status': right,
      'tcp.len': '3',
    },
  },
  {
    what: 'UDP over IPv6 behind extension headers',
    layers: {
      ethernet,
      ipv6: {
        ...ipv6,
        hopLimit: 255,
        trafficClass: 0x2e,
        flowLabel: 0xfedcb,
        extensions: [
          { type: 0, content: Uint8Array.of(1, 4, 0, 0, 0, 0) },
          { type: 60, content: new Uint8Array(7) },
        ],
      },
      udp,
      payload: Uint8Array.of(1, 2, 3),
    },
    fields: {
      'ipv6.plen': '35',
      'ipv6.hlim': '255',
      'ipv6.tclass': '0x0000002e',
      'ipv6.flow': '0x0fedcb',
      'ipv6.src': '2001:db8::1',
      'ipv6.dst': 'ff02::1:ff00:2',
      'ipv6.nxt': '0',
      'ipv6.hopopts.nxt': '60',
      'ipv6.dstopts.nxt': '17',
      'ipv6.dstopts.len': '1',
      'udp.srcport': '50000',
      'udp.length': '11',
      'udp.checksum.status': right,
    },
  },
  {
    what: 'a fragment of IPv6',
    layers: {
      ethernet,
      ipv6: { ...ipv6, extensions: [{ type: 44, content: Uint8Array.of(0x05, 0xa9, 0, 0, 0, 7) }] },
      payload: new Uint8Array(16),
    },
    fields: { 'ipv6.fraghdr.offset': '181', 'ipv6.fraghdr.more': '1', 'ipv6.fraghdr.ident': '0x00000007' },
  },
  {
    what: 'ICMP echo',
    layers: { ethernet, ipv4, icmp: { type: 8, identifier: 0x1234, sequence: 65535 }, payload: 'ping' },
    fields: {
      'icmp.type': '8',
      'icmp.ident': '4660',
      'icmp.seq': '65535',
      'icmp.checksum.status': right,
      'ip.proto': '1',
    },
  },
  {
    what: 'ICMPv6 with a code',
    layers: { ethernet, ipv6, icmp: { type: 1, code: 4 }, payload: frame({ ipv6, udp }) },
    fields: { 'icmpv6.type': '1', 'icmpv6.code': '4', 'icmpv6.checksum.status': right, 'ipv6.nxt': '58,17' },
  },
  {
    what: 'two VLAN tags',
    layers: {
      ethernet,
      vlan: [{ id: 4095, priority: 7, dropEligible: true }, { id: 0 }],
      ipv4,
      udp,
    },
    fields: {
      'eth.type': '0x88a8',
      'vlan.priority': '0',
      'ieee8021ad.id': '4095',
      'ieee8021ad.priority': '7',
      'ieee8021ad.dei': '1',
      'vlan.id': '0',
      'vlan.etype': '0x0800',
      'udp.checksum.status': right,
    },
  },
  {
    what: 'one VLAN tag',
    layers: { ethernet, vlan: { id: 5 }, ipv6, tcp },
    fields: {
      'eth.type': '0x8100',
      'vlan.id': '5',
      'vlan.etype': '0x86dd',
      'tcp.checksum.status': right,
      'tcp.flags': '0x0002',
    },
  },
  {
    what: 'a packet in a packet',
    layers: {
      ethernet,
      ipv4: { ...ipv4, protocol: 4 },
      payload: frame({ ipv4: { source: '1.1.1.1', destination: '2.2.2.2' }, tcp }),
    },
    fields: {
      'ip.proto': '4,6',
      'ip.src': '10.0.0.1,1.1.1.1',
      'ip.checksum.status': '1,1',
      'tcp.checksum.status': right,
    },
  },
  {
    what: 'a fragment of IPv4 (the offset is in units of 8 bytes)',
    layers: { ethernet, ipv4: { ...ipv4, moreFragments: true, fragmentOffset: 1480 }, payload: new Uint8Array(8) },
    fields: { 'ip.flags.mf': '1', 'ip.frag_offset': '185', 'ip.proto': '253' },
  },
  {
    what: 'Ethernet and nothing else',
    layers: { ethernet, payload: new Uint8Array(50) },
    fields: { 'eth.type': '0x88b5', 'frame.len': '64' },
  },
  {
    what: 'lengths and checksums that are wrong on purpose',
    layers: {
      ethernet: { ...ethernet, etherType: 0x0800 },
      ipv4: { ...ipv4, version: 4, totalLength: 200, checksum: 0xdead, headerLength: 20, protocol: 17 },
      udp: { ...udp, length: 21, checksum: 0xbeef },
    },
    fields: {
      'ip.len': '200',
      'ip.checksum': '0xdead',
      'ip.checksum.status': wrong,
      'udp.length': '21',
      'udp.checksum': '0xbeef',
    },
  },
  {
    what: 'no checksum of UDP',
    layers: { ethernet, ipv4, udp: { ...udp, checksum: 0 } },
    fields: { 'udp.checksum': '0x0000', 'ip.checksum.status': right },
  },
]

const withoutLink: Case[] = [
  {
    what: 'IPv4 alone',
    layers: { ipv4, tcp: { ...tcp, flags: 0x1ff }, payload: new Uint8Array(1) },
    fields: { 'ip.len': '41', 'tcp.flags': '0x01ff', 'tcp.checksum.status': right },
  },
  { what: 'IPv6 with nothing behind it', layers: { ipv6 }, fields: { 'ipv6.nxt': '59', 'ipv6.plen': '0' } },
]

for (const [name, linkType, cases] of [
  ['Ethernet', LinkType.ETHERNET, withLink],
  ['raw IP', LinkType.RAW, withoutLink],
] as const) {
  test(`tshark reads every field of ${name} frames as it was given, and finds the checksums right`, (t) => {
    const path = new TestFolder(t).file('frames.pcap')
    writeFileSync(
      path,
      pcap(
        cases.map(({ layers }) => ({ time: 0n, data: frame(layers) })),
        { linkType },
      ),
    )
    const names = [...new Set(cases.flatMap(({ fields }) => Object.keys(fields)))]
    const checks = ['ip', 'tcp', 'udp'].flatMap((one) => ['-o', `${one}.check_checksum:TRUE`])
    const form = ['-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE', '-T', 'fields', '-E', 'separator=|']
    const output = run('tshark', ['-r', path, ...checks, ...form, ...names.flatMap((one) => ['-e', one])]).toString()
    const lines = output.split('\n').map((line) => line.split('|'))
    cases.forEach(({ what, fields }, i) => {
      const read = Object.fromEntries(Object.keys(fields).map((one) => [one, lines[i]?.[names.indexOf(one)]]))
      t.same(read, fields, what)
    })
    t.end()
  })
}

test('a checksum of UDP that is 0 is sent as ffff', (t) => {
  // The data make the sum of all words ffff: its complement is 0, which would mean that there is none.
  const sum = (bytes: Uint8Array) => Buffer.from(bytes).readUInt16BE(26)
  const free = frame({ ipv4, udp, payload: new Uint8Array(2) })
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(sum(free))
  t.equal(sum(frame({ ipv4, udp, payload })), 0xffff)
  t.end()
})

test('frames have memory of their own, and the same bytes each time', (t) => {
  const payload = Uint8Array.of(1, 2, 3)
  const one = frame({ ethernet, ipv4, udp, payload })
  t.equal(one.buffer.byteLength, one.byteLength)
  payload.fill(9)
  t.equal(hex(one.subarray(-3)), '010203')
  t.equal(hex(frame({ ethernet, ipv4, udp, payload: Uint8Array.of(1, 2, 3) })), hex(one))
  t.equal(frame({}).length, 0)
  t.equal(hex(frame({ payload: 'ä' })), 'c3a4')
  t.end()
})

test('a wrong field is a typed error that names it', (t) => {
  const refused: [layers: unknown, option: string | undefined][] = [
    [undefined, 'layers'],
    [null, 'layers'],
    [[], 'layers'],
    ...[null, Number.NaN, 0, '', false, []].flatMap((wrong): [unknown, string][] => [
      [{ ethernet: wrong, ipv4, udp }, 'ethernet'],
      [{ ethernet, ipv4: wrong }, 'ipv4'],
      [{ ethernet, ipv6: wrong }, 'ipv6'],
      [{ ethernet, arp: wrong }, 'arp'],
      [{ ethernet, ipv4, tcp: wrong }, 'tcp'],
      [{ ethernet, ipv4, udp: wrong }, 'udp'],
      [{ ethernet, ipv6, icmp: wrong }, 'icmp'],
    ]),
    ...[null, Number.NaN, 0, '', false].map((wrong): [unknown, string] => [{ ethernet, vlan: wrong }, 'vlan']),
    [{ ethernet, payload: null }, 'payload'],
    [{ ipv4, ipv6 }, 'ipv6'],
    [{ ipv4, tcp, udp }, 'udp'],
    [{ tcp }, 'tcp'],
    [{ vlan: { id: 1 } }, 'vlan'],
    [{ ip: ipv4 }, 'ip'],
    [{ ethernet: { source: '02:00', destination: ethernet.destination } }, 'ethernet.source'],
    [{ ethernet: { ...ethernet, etherType: 65536 } }, 'ethernet.etherType'],
    [{ ethernet, vlan: { id: 4096 } }, 'vlan.id'],
    [{ ethernet, vlan: [{ id: 1 }, { id: 1, priority: 8 }] }, 'vlan[1].priority'],
    [{ ethernet, vlan: [5] }, 'vlan[0]'],
    [{ ipv4: { source: '2001:db8::1', destination: '10.0.0.1' } }, 'ipv4.source'],
    [{ ipv4: { source: '10.0.0.1' } }, 'ipv4.destination'],
    [{ ipv4: { ...ipv4, fragmentOffset: 4 } }, 'ipv4.fragmentOffset'],
    [{ ipv4: { ...ipv4, headerLength: 64 } }, 'ipv4.headerLength'],
    [{ ipv4: { ...ipv4, options: new Uint8Array(41) } }, 'ipv4.options'],
    [{ ipv4: { ...ipv4, dontFragment: 1 } }, 'ipv4.dontFragment'],
    [{ ipv4, payload: new Uint8Array(65516) }, 'ipv4.totalLength'],
    [{ ipv6: { ...ipv6, source: '::1%eth0' } }, 'ipv6.source'],
    [{ ipv6: { ...ipv6, extensions: [{ type: 0 }] } }, 'ipv6.extensions[0].content'],
    [{ ipv6: { ...ipv6, extensions: { type: 0 } } }, 'ipv6.extensions'],
    [{ ipv6, udp: { ...udp, sourcePort: -1 } }, 'udp.sourcePort'],
    [{ ipv6, udp: { destinationPort: 1 } }, 'udp.sourcePort'],
    [{ ipv6, tcp: { ...tcp, flags: ['SYM'] } }, 'tcp.flags[0]'],
    [{ ipv6, tcp: { ...tcp, flags: undefined } }, 'tcp.flags'],
    [{ ipv6, tcp: { ...tcp, sequence: 2 ** 32 } }, 'tcp.sequence'],
    [{ ipv6, icmp: { code: 1 } }, 'icmp.type'],
    [{ arp: { senderMac: ethernet.source, senderIp: '::', targetIp: '1.1.1.1' } }, 'arp.senderIp'],
    [
      { arp: { operation: 'ask', senderMac: ethernet.source, senderIp: '1.1.1.1', targetIp: '1.1.1.1' } },
      'arp.operation',
    ],
    [{ payload: [1, 2] }, 'payload'],
    [{ payload: new Uint8Array(65600) }, 'payload'],
  ]
  for (const [layers, option] of refused) {
    try {
      frame(layers as FrameLayers)
      t.fail(`accepted: ${option}`)
    } catch (error) {
      t.ok(error instanceof CaptureError)
      t.match(error, { code: 'ERR_OPTION', option })
      t.notMatch((error as CaptureError).message, /^ /, 'the message names it too')
    }
  }
  t.end()
})
