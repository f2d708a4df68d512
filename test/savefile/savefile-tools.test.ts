// Savefiles written by Wireshark's tools; the library must read them as tshark and capinfos do.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openFile, type Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { ethernetPackets, type MadePacket, rawPackets } from '../helpers/packets.js'
import { describe, readByRingtap, readByTshark, run } from '../helpers/wireshark.js'

const folder = t.testdir()
const at = (name: string) => join(folder, name)

// A sample of each kind only: tshark is slow.
const ethernet = ethernetPackets().filter((_, number) => number % 6 === 0)
const raw = rawPackets().filter((_, number) => number % 4 === 0)

/** The packets in text2pcap's input format, a little more than a quarter of a second apart. */
function dump(packets: readonly MadePacket[], hour: number): string {
  let text = ''
  packets.forEach(({ bytes }, number) => {
    if (bytes.length === 0) return
    const time = new Date(Date.UTC(2023, 0, 2, hour, 0, 0, number * 250)).toISOString().slice(0, -1).replace('T', ' ')
    text += `${time}${String((number * 7919) % 1_000_000).padStart(6, '0')}\n`
    for (let i = 0; i < bytes.length; i += 16) {
      text += `${i.toString(16).padStart(6, '0')} ${Buffer.from(bytes.subarray(i, i + 16))
        .toString('hex')
        .replace(/../g, '$& ')}\n`
    }
    text += '\n'
  })
  return text
}

const text2pcap = (name: string, packets: readonly MadePacket[], hour: number, ...args: string[]) => {
  run('text2pcap', ['-q', '-t', '%Y-%m-%d %H:%M:%S.%f', ...args, '-', at(name)], { input: dump(packets, hour) })
}
const editcap = (from: string, to: string, args: readonly string[], frames: readonly string[] = []) => {
  run('editcap', [...args, at(from), at(to), ...frames])
}

text2pcap('ethernet.pcapng', ethernet, 1, '-N', 'eth0')
text2pcap('raw.pcapng', raw, 1, '-N', 'tun0', '-l', '101')
text2pcap('text.pcap', ethernet, 2, '-F', 'pcap')
editcap('ethernet.pcapng', 'nano.pcap', ['-F', 'nsecpcap'])
editcap('ethernet.pcapng', 'micro.pcap', ['-F', 'pcap'])
editcap('text.pcap', 'from-pcap.pcapng', ['-F', 'pcapng'])
editcap('ethernet.pcapng', 'cut.pcapng', ['-s', '60'])
editcap('ethernet.pcapng', 'later.pcapng', ['-t', '3600.5'])
editcap('ethernet.pcapng', 'few.pcapng', ['-r'], ['5-9', '20'])
editcap('ethernet.pcapng', 'comments.pcapng', [
  '-a',
  '1:the first',
  '-a',
  '7:grüße',
  '--capture-comment',
  'all of it',
  '--capture-comment',
  'and more',
])
editcap('ethernet.pcapng', 'dos.pcapng', ['-E', '0.02'])
editcap('text.pcap', 'kuznetsov.pcap', ['-F', 'modpcap'])
editcap('text.pcap', 'nokia.pcap', ['-F', 'pcap', '-T', 'ieee-802-11-radiotap'])
run('mergecap', ['-w', at('merged.pcapng'), at('ethernet.pcapng'), at('raw.pcapng'), at('text.pcap')])
run('mergecap', ['-a', '-w', at('behind.pcapng'), at('comments.pcapng'), at('raw.pcapng')])
run('mergecap', [
  '-I',
  'none',
  '-w',
  at('all-interfaces.pcapng'),
  at('ethernet.pcapng'),
  at('later.pcapng'),
  at('raw.pcapng'),
])
run('mergecap', ['-F', 'pcap', '-w', at('merged.pcap'), at('text.pcap'), at('micro.pcap')])
// Several sections, one after the other.
const parts = ['merged.pcapng', 'comments.pcapng', 'raw.pcapng']
writeFileSync(at('sections.pcapng'), Buffer.concat(parts.map((name) => readFileSync(at(name)))))
for (const name of ['sections.pcapng', 'nano.pcap']) writeFileSync(at(`${name}.gz`), gzipSync(readFileSync(at(name))))

const names = [
  'ethernet.pcapng',
  'raw.pcapng',
  'text.pcap',
  'nano.pcap',
  'micro.pcap',
  'from-pcap.pcapng',
  'cut.pcapng',
  'later.pcapng',
  'few.pcapng',
  'comments.pcapng',
  'dos.pcapng',
  'kuznetsov.pcap',
  'nokia.pcap',
  'merged.pcapng',
  'behind.pcapng',
  'all-interfaces.pcapng',
  'merged.pcap',
  'sections.pcapng',
  'sections.pcapng.gz',
  'nano.pcap.gz',
]
for (const name of names) {
  t.test(name, async (t) => {
    const path = at(name)
    const ours = await readByRingtap(path)
    t.ok(ours.length > 5)
    // tshark 4.0 looks up interfaces of later sections in the first section, hence one file per section.
    const told = name.startsWith('sections') ? parts.flatMap((part) => readByTshark(at(part))) : readByTshark(path)
    t.strictSame(ours, told)
    const { packets, bytes } = describe(path)
    t.equal(ours.length, packets)
    t.equal(
      ours.reduce((sum, { originalLength }) => sum + originalLength, 0),
      bytes,
    )
  })
}

function counted(path: string) {
  const { packets, bytes } = describe(path)
  return { packets, bytes }
}

for (const name of ['comments.pcapng', 'merged.pcapng', 'cut.pcapng']) {
  t.test(`reading and writing preserves every packet: ${name}`, async (t) => {
    const wanted = readByTshark(at(name))
    t.equal(
      wanted.some(({ comment }) => comment !== ''),
      name === 'comments.pcapng',
    )
    for (const how of ['chunks', 'packets', 'copies'] as const) {
      const again = at(`again-${how}-${name}`)
      await using file = await openFile(at(name))
      await using writer = await SavefileWriter.open(again)
      const copies: Packet[] = []
      for await (const chunk of file) {
        if (how === 'chunks') await writer.write(chunk)
        else if (how === 'packets') await writer.write([...chunk])
        else for (const packet of chunk) copies.push(packet.copy())
      }
      await writer.write(copies)
      const { packets } = await writer.close()
      t.equal(packets, wanted.length)
      t.strictSame(readByTshark(again), wanted, `${how}: times, lengths, interfaces, comments and bytes`)
      t.same(counted(again), counted(at(name)))
      if (how !== 'packets') continue
      // The writer's comment follows the comments the packet already had.
      const more = at(`more-${name}`)
      await using second = await SavefileWriter.open(more)
      await using source = await openFile(at(name))
      for await (const chunk of source) await second.write(chunk, { comment: 'seen twice' })
      await second.close()
      t.strictSame(
        readByTshark(more).map(({ comment }) => comment),
        wanted.map(({ comment }) => (comment === '' ? 'seen twice' : `${comment}|seen twice`)),
      )
    }
  })
}

t.test('the comments of a file and its decryption secrets are read', async (t) => {
  writeFileSync(at('keys'), 'CLIENT_RANDOM 00 11\n')
  editcap('comments.pcapng', 'secrets.pcapng', ['--inject-secrets', `tls,${at('keys')}`])
  await using file = await openFile(at('secrets.pcapng'), { keep: { blocks: ['decryptionSecrets'] } })
  let packets = 0
  for await (const chunk of file) packets += chunk.packetCount
  t.equal(packets, describe(at('secrets.pcapng')).packets)
  // text2pcap adds a comment of its own.
  t.strictSame(file.sections[0]?.comments.slice(-2), ['all of it', 'and more'])
  t.match(file.sections[0]?.application, /^(Editcap|Text2pcap)/)
  t.match(file.blocks, [
    { kind: 'decryptionSecrets', secretsType: 0x544c534b, data: Buffer.from('CLIENT_RANDOM 00 11\n') },
  ])
})

t.test('a filter selects the packets that tshark selects with it', async (t) => {
  const count = async (name: string, filter: string) => {
    let packets = 0
    for await (const chunk of await openFile(at(name), { filter })) packets += chunk.packetCount
    return packets
  }
  for (const filter of ['udp port 53', 'vlan 5', 'ip6']) {
    const lines = run('tcpdump', ['-n', '-r', at('text.pcap'), filter])
      .toString()
      .trimEnd()
      .split('\n')
    t.equal(await count('text.pcap', filter), lines.length, filter)
  }
})
