import { CaptureError, Dissector, FlowTable, type FlowTableOptions, frame, Packet, type ZeekConnection } from 'ringtap'
import { test } from 'tap'
import { back, Connection, ip, packet, portsOf, start, udp, web } from '../helpers/flow-packets.js'
import { flowsOf, theFlow } from '../helpers/flows.js'

test('both directions of a conversation are one flow, with the first sender as its originator', (t) => {
  for (const ends of [web, { ...web, source: '2001:db8::1', destination: '2001:db8::2' }]) {
    const flow = theFlow([packet(udp(ends, 10), 0), packet(udp(back(ends), 100), 0.25), packet(udp(ends, 1), 1)])
    const header = ends.source.includes(':') ? 48 : 28
    t.match(flow, {
      ...{ sourceIp: ends.source, sourcePort: 50000, destinationIp: ends.destination, destinationPort: 443 },
      ...{ protocol: 17, ipVersion: ends.source.includes(':') ? 6 : 4 },
      originator: { packets: 2, bytes: 11 + 2 * header, payloadBytes: 11 },
      responder: { packets: 1, bytes: 100 + header, payloadBytes: 100 },
      ...{ first: 1_700_000_000_000, last: 1_700_000_001_000, duration: 1000 },
      ...{ state: 'SF', history: 'Dd', end: 'ended', vlan: -1, tunnelId: -1 },
    })
    t.same(
      flow.interfaces.map(({ name }) => name),
      ['eth0'],
    )
  }
  t.end()
})

test('flows differ by each address, by each port and by the protocol', (t) => {
  const variants = [
    web,
    { ...web, source: '10.0.0.2' },
    { ...web, destination: '192.0.2.8' },
    { ...web, sourcePort: 50001 },
    { ...web, destinationPort: 444 },
    // The same ends, crosswise.
    { ...web, sourcePort: 443, destinationPort: 50000 },
  ]
  const packets = variants.map((ends) => packet(udp(ends), 0))
  packets.push(...new Connection().send(0, ['SYN']).packets)
  t.equal(flowsOf(packets).length, 7)
  t.end()
})

test('a question of ICMP and its answer are one flow; an error is a flow of its own', (t) => {
  const ends = { source: '10.0.0.1', destination: '10.0.0.2' }
  const other = { source: '10.0.0.2', destination: '10.0.0.1' }
  const packets = [
    packet(frame({ ipv4: ends, icmp: { type: 8 } }), 0),
    packet(frame({ ipv4: other, icmp: { type: 0 } }), 0.1),
    packet(frame({ ipv4: other, icmp: { type: 3, code: 1 } }), 0.2),
  ]
  t.match(
    flowsOf(packets).sort((a, b) => a.first - b.first),
    [
      {
        sourcePort: 8,
        destinationPort: 0,
        protocol: 1,
        state: 'OTH',
        originator: { packets: 1 },
        responder: { packets: 1 },
      },
      { sourcePort: 3, destinationPort: 1, sourceIp: '10.0.0.2', responder: { packets: 0 } },
    ],
  )
  t.end()
})

test('interfaces, VLANs and tunnels tell flows apart if they are asked to', (t) => {
  const ends = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
  const tagged = (id: number) =>
    Packet.from(frame({ ethernet: ends, vlan: { id }, ...ip(web), udp: portsOf(web) }), { timestamp: start })
  const table = (options?: FlowTableOptions) => flowsOf([tagged(5), tagged(6)], options)
  t.equal(table().length, 1)
  t.same(
    table({ key: ['vlan'] })
      .map(({ vlan }) => vlan)
      .sort(),
    [5, 6],
  )
  const { interface: loopback } = packet(udp(web), 0)
  const packets = [1, 2].map((index) =>
    packet(udp(index === 1 ? web : back(web)), 0, { ...loopback, index, name: `eth${index - 1}` }),
  )
  t.match(flowsOf(packets), [{ interfaces: [{ name: 'eth0' }, { name: 'eth1' }] }])
  t.equal(flowsOf(packets, { key: ['interface'] }).length, 2)
  const inner = frame({ ethernet: ends, ...ip(web), udp: portsOf(web) })
  const tunnelled = (vni: number) =>
    packet(
      frame({
        ipv4: { source: '172.16.0.1', destination: '172.16.0.2' },
        udp: { sourcePort: 40000, destinationPort: 4789 },
        payload: Buffer.concat([Uint8Array.of(8, 0, 0, 0, 0, 0, vni, 0), inner]),
      }),
      0,
    )
  t.match(flowsOf([tunnelled(7), tunnelled(8)]), [{ sourceIp: '172.16.0.1' }])
  t.match(flowsOf([tunnelled(7), tunnelled(8)], { tunnels: true }), [{ sourceIp: web.source }])
  t.same(
    flowsOf([tunnelled(7), tunnelled(8)], { tunnels: true, key: ['tunnel'] })
      .map(({ tunnelId }) => tunnelId)
      .sort(),
    [7, 8],
  )
  t.end()
})

test('an interface is part of the key as itself, not as its index, which another one can have', (t) => {
  const { interface: any } = packet(udp(web), 0)
  const on = (name: string, generation: number, time: number) => {
    const iface = { ...any, index: 3, name, generation }
    return packet(udp(generation === 2 ? back(web) : web), time, iface)
  }
  // Two files at once, each with an interface 3, and a device in place of one that was deleted.
  const packets = [
    on('eth0', 1, 0),
    on('eth1', 1, 1),
    on('eth0', 1, 2),
    on('eth0', 2, 3),
    on('eth1', 1, 4),
    on('eth0', 2, 5),
  ]
  const summary = flowsOf(packets, { key: ['interface'] })
    .sort((one, other) => one.first - other.first)
    .map(({ interfaces, sourceIp, originator, responder }) => [
      interfaces.map(({ name, generation }) => `${name} ${generation}`).join(),
      sourceIp,
      originator.packets,
      responder.packets,
    ])
  t.same(summary, [
    ['eth0 1', web.source, 2, 0],
    ['eth1 1', web.source, 2, 0],
    ['eth0 2', web.destination, 2, 0],
  ])
  // With room for one flow its interface is no longer used when the next one begins.
  t.same(
    flowsOf(packets, { key: ['interface'], maxFlows: 1 }).map(({ interfaces, originator }) => [
      interfaces[0]?.name,
      interfaces[0]?.generation,
      originator.packets,
    ]),
    [
      ['eth0', 1, 1],
      ['eth1', 1, 1],
      ['eth0', 1, 1],
      ['eth0', 2, 1],
      ['eth1', 1, 1],
      ['eth0', 2, 1],
    ],
  )
  t.end()
})

test('the largest flows come first', (t) => {
  const table = new FlowTable()
  for (let i = 1; i <= 50; i++) table.add(packet(udp({ ...web, sourcePort: i }, i), 0))
  for (let i = 0; i < 3; i++) table.add(packet(udp({ ...web, sourcePort: 20 }, 1), 5 + i))
  t.same(
    table.top(3).map(({ sourcePort }) => sourcePort),
    [20, 50, 49],
  )
  t.equal(table.top(1, 'packets')[0]?.sourcePort, 20)
  t.equal(table.top(1, 'duration')[0]?.duration, 7000)
  t.equal(table.top(1000).length, 50)
  t.end()
})

test('ended flows are iterated over, until the table has ended', async (t) => {
  const table = new FlowTable({ idleTimeout: 1 })
  const read = (async () => {
    const ports: number[] = []
    for await (const flow of table) ports.push(flow.sourcePort)
    return ports
  })()
  for (let i = 0; i < 10; i++) {
    table.add(packet(udp({ ...web, sourcePort: i }), i))
    await new Promise((resolve) => setImmediate(resolve))
  }
  table.end()
  t.same(await read, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.throws(() => table.add(packet(udp(web), 0)), { code: 'ERR_CLOSED' })
  table.end()
})

test('flows that nobody takes are bounded and counted', (t) => {
  const table = new FlowTable({ idleTimeout: 1, maxWaiting: 3 })
  for (let i = 0; i < 10; i++) table.add(packet(udp({ ...web, sourcePort: i }), i))
  t.match(table.stats(), { waiting: 3, dropped: 6, ended: { idle: 9 } })
  t.same(
    table.take().map(({ sourcePort }) => sourcePort),
    [6, 7, 8],
  )
  t.end()
})

test('a callback may add packets, and what it throws reaches the caller', (t) => {
  let added = 0
  const table: FlowTable = new FlowTable({
    idleTimeout: 1,
    onEnd: () => {
      if (added++ < 5) table.add(packet(udp({ ...web, sourcePort: 10_000 + added }), 100 * added))
    },
  })
  table.add(packet(udp(web), 0))
  table.add(packet(udp({ ...web, sourcePort: 1 }), 50))
  t.equal(added, 6)
  t.match(table.stats(), { begun: 7, flows: 1 })
  const failing = new FlowTable({
    onEnd: () => {
      throw new Error('no')
    },
  })
  failing.add(packet(udp(web), 0))
  t.throws(() => failing.end(), /^no$/)
  t.end()
})

test('other packets are counted, and none is a flow', (t) => {
  const table = new FlowTable()
  const link = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
  const arp = { senderMac: link.source, senderIp: '10.0.0.1', targetIp: '10.0.0.2' }
  table.add(Packet.from(frame({ ethernet: link, arp })))
  table.add(Packet.from(new Uint8Array(3)))
  t.match(table.stats(), { packets: 0, notIp: 2, flows: 0 })
  t.end()
})

test('a flow as JSON, as a record of Zeek and as an event of ECS', (t) => {
  const flow = theFlow(new Connection().handshake().send(0, ['ACK'], 100).send(1, ['ACK'], 50).close().packets)
  const json = JSON.parse(JSON.stringify(flow))
  t.match(json, {
    sourceIp: web.source,
    interfaces: ['eth0'],
    duration: 70,
    originator: { payloadBytes: 100 },
    end: 'ended',
  })
  const zeek = flow.toZeek()
  t.match(zeek, {
    ts: 1_700_000_000,
    uid: /^C[A-Za-z0-9]{17}$/,
    'id.orig_h': '10.0.0.1',
    'id.orig_p': 50000,
    'id.resp_h': '192.0.2.7',
    'id.resp_p': 443,
    proto: 'tcp',
    orig_bytes: 100,
    resp_bytes: 50,
    conn_state: 'SF',
    history: 'ShADdFf',
    orig_pkts: 5,
    orig_ip_bytes: 300,
    resp_pkts: 3,
    resp_ip_bytes: 170,
    missed_bytes: 0,
  })
  t.equal(zeek.duration, 0.07)
  t.match(flow.toEcs(), {
    '@timestamp': '2023-11-14T22:13:20.070Z',
    event: { kind: 'event', category: ['network'], type: ['connection', 'end'], start: '2023-11-14T22:13:20.000Z' },
    source: { ip: '10.0.0.1', port: 50000, bytes: 300, packets: 5 },
    destination: { ip: '192.0.2.7', port: 443, bytes: 170, packets: 3 },
    network: { type: 'ipv4', transport: 'tcp', iana_number: '6', bytes: 470, packets: 8 },
    observer: { ingress: { interface: { name: 'eth0' } } },
  })
  t.end()
})

test('a record of Zeek has its times in microseconds, exactly', (t) => {
  for (let i = 0; i < 2000; i++) {
    const microseconds = 1_700_000_000_000_000n + BigInt(i) * 7_654_321n
    const table = new FlowTable()
    const at = (more: bigint) => Packet.from(udp(web), { timestamp: (microseconds + more) * 1000n, linkType: 101 })
    for (const more of [0n, 1_234_567n]) table.add(at(more))
    table.end()
    const [{ ts, duration }] = table.take().map((flow) => flow.toZeek()) as [ZeekConnection]
    const digits = String(microseconds)
    const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`
    if (ts !== Number(text) || ts.toFixed(6) !== text || duration !== 1.234567) t.fail(`${ts}, not ${text}`)
  }
  t.end()
})

test('wrong arguments are typed errors', (t) => {
  const refused: [options: unknown, option: string][] = [
    [{ maxFlows: 0 }, 'maxFlows'],
    [{ maxFlows: 1e9 }, 'maxFlows'],
    [{ idleTimeout: 0 }, 'idleTimeout'],
    [{ idleTimeout: '5' }, 'idleTimeout'],
    [{ key: ['mac'] }, 'key[0]'],
    [{ key: 'vlan' }, 'key'],
    [{ onEnd: 5 }, 'onEnd'],
    [{ timeout: 5 }, 'timeout'],
    [5, 'options'],
  ]
  for (const [options, option] of refused) {
    t.throws(() => new FlowTable(options as FlowTableOptions), { code: 'ERR_OPTION', option } as never, option)
  }
  const table = new FlowTable()
  // Bytes can be dissected, but have no time.
  for (const wrong of [5, null, new Uint8Array(0), udp(web), new Dissector(), Object.create(Packet.prototype)]) {
    const expected = { code: 'ERR_OPTION', option: 'packet' } as const
    t.throws(() => table.add(wrong as Packet), expected)
    if (!(wrong instanceof Dissector)) t.throws(() => table.add(new Dissector(), wrong as Packet), expected)
  }
  t.match(table.stats(), { packets: 0, notIp: 0 })
  t.throws(() => table.add(packet(udp(web), 0) as never, packet(udp(web), 0)), CaptureError)
  t.throws(() => table.top(0), CaptureError)
  t.throws(() => table.top(1, 'size' as never), CaptureError)
  t.end()
})
