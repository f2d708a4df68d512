// Secrets of TLS connections: which lines are accepted, and where a SavefileWriter puts them.
import { type KeyLog, openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { TestFolder } from '../helpers/test-folder.js'
import { blocksIn } from '../helpers/wireshark.js'

const folder = new TestFolder(t)
const random = 'ab'.repeat(32)
const one = `CLIENT_RANDOM ${random} ${'cd'.repeat(48)}`
const two = `CLIENT_HANDSHAKE_TRAFFIC_SECRET ${random} ${'0E'.repeat(32)}`
const rsa = `RSA ${'12'.repeat(8)} ${'34'.repeat(48)}`
const packet = (i: number) => Packet.from(new Uint8Array(60), { timestamp: BigInt(i), interface: 'eth0' })

/** The key logs of a file, in order. */
async function keyLogs(path: string): Promise<string[]> {
  const file = await openFile(path, { keep: { blocks: ['decryptionSecrets'] } })
  for await (const _ of file);
  return file.blocks.map((block) => {
    t.equal(block.kind === 'decryptionSecrets' && block.secretsType, 0x544c534b)
    return Buffer.from(block.data ?? []).toString()
  })
}

t.test('lines are written ahead of the packets that follow, in each form', async (t) => {
  const path = folder.fresh()
  const writer = await SavefileWriter.open(path)
  await writer.write(packet(1))
  const forms: KeyLog[] = [
    one,
    Buffer.from(`${two}\n`),
    [`# a comment\n\n${one}\r\n`, Buffer.from(rsa), `${two}\n`],
    '# only a comment\n',
    '',
    [],
  ]
  for (const form of forms) await writer.addSecrets(form)
  await writer.write(packet(2))
  await writer.close()
  t.same(await keyLogs(path), [`${one}\n`, `${two}\n`, `${one}\n${rsa}\n${two}\n`])
  t.same(
    blocksIn(path).map((block) => /^: (.*?) Block/.exec(block)?.[1]),
    [
      'Section Header',
      'Interface Description',
      'Enhanced Packet',
      'Decryption Secrets',
      'Decryption Secrets',
      'Decryption Secrets',
      'Enhanced Packet',
      'Interface Statistics',
    ],
  )
  t.match(blocksIn(path)[3], /Secrets Type: TLS Key Log \(0x544c534b\)/)
})

t.test('what is no key log is refused, and no message contains a secret', async (t) => {
  await using writer = await SavefileWriter.open(folder.fresh())
  for (const [wrong, message] of [
    [`${one}\n${one} 00`, 'keyLog line 2 is not LABEL HEX HEX, as in a key log of NSS'],
    [one.slice(0, -1), 'keyLog line 1 is not LABEL HEX HEX, as in a key log of NSS'],
    [`# \n\nclient_random ${random} 00`, 'keyLog line 3 is not LABEL HEX HEX, as in a key log of NSS'],
    [
      `CLIENT_RANDOM ${random.slice(2)} 00`,
      'keyLog line 1: CLIENT_RANDOM needs 32 bytes ahead of its secret, and has 31',
    ],
    [['x', one], 'keyLog line 1 is not LABEL HEX HEX, as in a key log of NSS'],
    [[one, `RSA ${random} 00`], 'keyLog line 2: RSA needs 8 bytes ahead of its secret, and has 32'],
    [`${'#'.repeat(8 * 1024 * 1024)}\n`, 'keyLog has more than 8388608 bytes; give them in several calls'],
    [undefined, /^keyLog must be lines of a key log: a string, a Uint8Array, or an array of these; got /],
    [[one, 7], /^keyLog must be lines of a key log: /],
    [new Uint16Array(8), /^keyLog must be lines of a key log: /],
  ] as const)
    await t.rejects(writer.addSecrets(wrong as KeyLog), { code: 'ERR_OPTION', message })
})

t.test('pcap has no place for secrets; a writer that was closed takes none', async (t) => {
  const writer = await SavefileWriter.open(folder.fresh(), { format: 'pcap' })
  await t.rejects(writer.addSecrets(one), {
    code: 'ERR_OPTION',
    message: 'a pcap file has no place for secrets; write pcapng',
  })
  await writer.write(packet(1))
  await writer.close()
  await t.rejects(writer.addSecrets(one), { code: 'ERR_CLOSED' })
})
