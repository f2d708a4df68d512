// Filters on files: the same packets must match as with the same expression in tcpdump.
import { spawnSync } from 'node:child_process'
import { CaptureError, compileFilter, openFile } from 'ringtap'
import t from 'tap'
import { ethernetPackets } from '../helpers/packets.js'
import { Bytes, Pcapng, pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)

/** The numbers of the matching packets, in the order of the file, or the code of the error. */
async function ours(path: string, filter: string): Promise<number[] | string> {
  const numbers: number[] = []
  try {
    for await (const chunk of await openFile(path, { filter })) {
      for (const packet of chunk) numbers.push(Number(packet.timestamp / 1_000_000_000n))
    }
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    return error.code
  }
  return numbers
}

/** The same from tcpdump, which writes in this machine's byte order (ringtap runs on little-endian machines only). */
function tcpdumps(path: string, filter: string): number[] | string {
  const { status, stdout, stderr, error } = spawnSync('tcpdump', ['-r', path, '-w', '-', filter])
  if (error) throw error
  if (status !== 0) {
    if (/not supported on|syntax error|rejects all/.test(stderr.toString())) return 'ERR_FILTER_SYNTAX'
    throw new Error(stderr.toString())
  }
  const numbers: number[] = []
  for (let at = 24; at < stdout.length; at += 16 + stdout.readUInt32LE(at + 8)) numbers.push(stdout.readUInt32LE(at))
  return numbers
}

const ip4 = (protocol: number) => {
  const header = Buffer.alloc(40)
  header.set([0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1])
  header.writeUInt16BE(443, 22)
  return header
}
const ip6 = (next: number) => {
  const header = Buffer.alloc(60)
  header.set([0x60, 0, 0, 0, 0, 20, next, 64])
  header.writeUInt16BE(443, 42)
  return header
}
const expressions = ['ip', 'ip6', 'tcp', 'udp', 'port 443', 'not ip', 'ip6 or udp', 'less 50', 'tcp and ip6']

/** Loopback packets: BSD, FreeBSD, macOS and Linux each use a different address family number for IPv6. */
function loopback(bigEndian: boolean): Buffer[] {
  const families: [number, Buffer][] = [
    [2, ip4(6)],
    [2, ip4(17)],
    ...[24, 28, 30, 10].flatMap((family): [number, Buffer][] => [
      [family, ip6(6)],
      [family, ip6(17)],
    ]),
    [7, Buffer.alloc(30)],
  ]
  return families.map(([family, bytes]) => new Bytes(bigEndian).u32(family).raw(bytes).done())
}

for (const bigEndian of [false, true]) {
  const endian = bigEndian ? 'big endian' : 'little endian'

  t.test(`loopback packets of ${endian} files match as in tcpdump`, async (t) => {
    // Link type 108 has the family in network byte order; 109 has it in the file's byte order, plus two more words.
    for (const linkType of [0, 108, 109]) {
      const packets = loopback(linkType === 108 || bigEndian).map((bytes, number) => ({
        time: BigInt(number + 1) * 1_000_000n,
        data: linkType === 109 ? Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(8), bytes.subarray(4)]) : bytes,
      }))
      const path = folder.write(pcap(packets, { bigEndian, linkType }))
      for (const expression of expressions) {
        const theirs = tcpdumps(path, expression)
        t.same(await ours(path, expression), theirs, `link type ${linkType}: ${expression}`)
      }
    }
    const path = folder.write(
      pcap(
        loopback(bigEndian).map((data, i) => ({ time: BigInt(i + 1) * 1_000_000n, data })),
        { bigEndian, linkType: 0 },
      ),
    )
    t.same(await ours(path, 'ip6'), [3, 4, 5, 6, 7, 8])
    t.same(await ours(path, 'tcp'), [1, 3, 5, 7])
  })

  t.test(`a filter matches in ${endian} pcapng sections as in tcpdump`, async (t) => {
    const file = new Pcapng(bigEndian).section().interface(0)
    loopback(bigEndian).forEach((data, i) => {
      file.packet(0, { time: BigInt(i + 1) * 1_000_000n, data })
    })
    const path = folder.write(file.done())
    for (const expression of expressions) t.same(await ours(path, expression), tcpdumps(path, expression), expression)
    t.same(await ours(path, 'ip6'), [3, 4, 5, 6, 7, 8])
  })

  t.test(`compileFilter() for ${endian} files matches as in tcpdump`, async (t) => {
    const [, , bsd] = loopback(bigEndian)
    const options = { linkType: 0, source: 'savefile', byteOrder: bigEndian ? 'BE' : 'LE' } as const
    t.ok((await compileFilter('ip6', options)).matches(bsd as Buffer))
    t.notOk((await compileFilter('ip6', { ...options, byteOrder: bigEndian ? 'LE' : 'BE' })).matches(bsd as Buffer))
    t.notOk((await compileFilter('ip6', { linkType: 0 })).matches(bsd as Buffer), 'live: a packet of Linux')
  })
}

t.test('a filter matches in sections of both byte orders in one file', async (t) => {
  const sections = [false, true].map((bigEndian) => {
    const file = new Pcapng(bigEndian).section().interface(0)
    loopback(bigEndian).forEach((data, i) => {
      file.packet(0, { time: BigInt(i + 1) * 1_000_000n, data })
    })
    return file.done()
  })
  t.same(await ours(folder.write(Buffer.concat(sections)), 'ip6 and udp'), [4, 6, 8, 4, 6, 8])
})

t.test('expressions about what no file contains are refused with the reason', async (t) => {
  const packets = ethernetPackets().map(({ bytes }, i) => ({ time: BigInt(i + 1) * 1_000_000n, data: bytes }))
  const path = folder.write(pcap(packets))
  for (const expression of ['inbound', 'outbound', 'not inbound', 'tcp or outbound', 'ifindex 3']) {
    t.equal(tcpdumps(path, expression), 'ERR_FILTER_SYNTAX', `tcpdump: ${expression}`)
    await t.rejects(
      (async () => {
        for await (const _ of await openFile(path, { filter: expression }));
      })(),
      { code: 'ERR_FILTER_SYNTAX', message: /not supported on Ethernet when reading savefiles/ },
      expression,
    )
    await t.rejects(compileFilter(expression, { source: 'savefile' }), { code: 'ERR_FILTER_SYNTAX' }, expression)
  }
  // The cooked header (LINUX_SLL) holds the direction.
  const cooked = [0, 4].map((type, i) => ({
    time: BigInt(i + 1) * 1_000_000n,
    data: new Bytes(true).u16(type, 1, 6).raw(Buffer.alloc(8)).u16(0x0800).raw(ip4(6)).done(),
  }))
  const sll = folder.write(pcap(cooked, { linkType: 113 }))
  t.same(await ours(sll, 'inbound'), [1])
  t.same(await ours(sll, 'outbound'), [2])
})

t.test('expressions for PFLOG, SunATM and MTP2 match as in tcpdump', async (t) => {
  const mtp2 = Buffer.alloc(20)
  mtp2.set([0, 0, 0x3f, 0x83, 1])
  const path = folder.write(pcap([{ time: 1_000_000n, data: mtp2 }], { linkType: 140 }))
  for (const expression of ['msu', 'lssu', 'fisu', 'dpc 1', 'sio 3']) {
    t.same(await ours(path, expression), tcpdumps(path, expression), expression)
  }
  t.same(await ours(path, 'msu'), [1])
  const atm = folder.write(
    pcap([{ time: 1_000_000n, data: Buffer.from([2, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8]) }], { linkType: 123 }),
  )
  for (const expression of ['lane', 'llc', 'vci 5', 'vpi 0', 'oamf4']) {
    t.same(await ours(atm, expression), tcpdumps(atm, expression), expression)
  }
  const pflog = Buffer.alloc(80)
  pflog.set([61, 2, 1, 0])
  const log = folder.write(pcap([{ time: 1_000_000n, data: pflog }], { linkType: 117 }))
  for (const expression of ['action block', 'action pass', 'reason match', 'on em0']) {
    t.same(await ours(log, expression), tcpdumps(log, expression), expression)
  }
  t.same(await ours(log, 'action block'), [1])
})

t.test('a packet with more bytes than its original length matches as in tcpdump', async (t) => {
  const data = Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0]), ip4(6)])
  const path = folder.write(pcap([{ time: 1_000_000n, data, originalLength: 20 }]))
  for (const expression of ['tcp', 'less 20', 'greater 21', 'len = 20', 'ether[53] = 0']) {
    const theirs = tcpdumps(path, expression)
    t.same(await ours(path, expression), theirs, expression)
    const filter = await compileFilter(expression, { source: 'savefile' })
    for await (const chunk of await openFile(path)) {
      for (const { data, originalLength } of chunk) {
        t.equal(filter.matches(data, originalLength), theirs.length === 1, `matches: ${expression}`)
      }
    }
  }
})

t.test('options that contradict each other are refused', async (t) => {
  for (const options of [
    { source: 'file' },
    { source: 'savefile', byteOrder: 'big' },
    { byteOrder: 'LE' },
    { source: 'live', byteOrder: 'BE' },
  ]) {
    await t.rejects(compileFilter('tcp', options as never), { code: 'ERR_OPTION' }, JSON.stringify(options))
  }
})
