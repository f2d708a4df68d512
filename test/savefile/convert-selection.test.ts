// What convertFiles selects from its inputs in addition to the filter: interfaces, and blocks other than packets.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CaptureError, type ConvertOptions, convertFiles, type InterfaceSelection, openFile } from 'ringtap'
import t from 'tap'
import { range } from '../helpers/range.js'
import { type Options, Pcapng, pcap } from '../helpers/savefiles.js'
import { blocksIn, describe, dissect, numbersIn, readByTshark, run } from '../helpers/wireshark.js'
import { expectedFrame, sequenceOf } from '../live/support/frame.js'

const folder = t.testdir()
let files = 0
const name = () => join(folder, `${files++}`)
function save(bytes: Uint8Array | string): string {
  const path = name()
  writeFileSync(path, bytes)
  return path
}

const date = 1_700_000_000_000_000n
const packetAt = (number: number) => ({
  time: date + BigInt(number),
  data: expectedFrame(number, { size: 60 + (number % 40) * 10 }),
})

/** Packets `first` to `first` + `packets` − 1, in rotation on interfaces of these names. */
function across(names: readonly string[], packets: number, first = 0, bigEndian = false): Pcapng {
  const file = new Pcapng(bigEndian).section()
  for (const one of names) file.interface(1, [[2, one]])
  for (let i = 0; i < packets; i++) file.packet(i % names.length, packetAt(first + i))
  return file
}

t.test('the packets of selected interfaces are those that tshark shows', async (t) => {
  const one = save(across(['eth0', 'veth5', 'wlan0', 'eth1'], 4000).done())
  const two = save(across(['eth0', 'eth9'], 1000, 4000, true).done())
  const three = save(pcap(range(5000, 5500).map(packetAt)))
  const inputs = [one, two, three]
  const asked: string[] = []
  const cases: [InterfaceSelection, string][] = [
    ['eth1', 'frame.interface_name == "eth1"'],
    [['wlan0', 'eth9'], 'frame.interface_name == "wlan0" or frame.interface_name == "eth9"'],
    [{ include: '^eth' }, 'frame.interface_name matches "^eth"'],
    [{ include: /eth/, exclude: '^veth' }, 'frame.interface_name matches "^eth"'],
    [
      {
        include: (iface) => {
          asked.push(`${iface.name} ${iface.linkType}`)
          return iface.name === ''
        },
      },
      'not frame.interface_name',
    ],
    [{}, 'frame'],
  ]
  for (const [interfaces, shown] of cases) {
    const output = name()
    const result = await convertFiles(inputs, output, { interfaces })
    const expected = inputs.flatMap((input) => {
      const part = name()
      run('tshark', ['-n', '-r', input, '-Y', shown, '-w', part])
      return numbersIn(part)
    })
    t.ok(expected.length > 0)
    t.strictSame(numbersIn(output), expected, shown)
    t.equal(describe(output).packets, expected.length)
    t.strictSame([result.packets, result.written, result.warnings], [expected.length, expected.length, []])
  }
  t.strictSame(
    asked,
    ['eth0 1', 'veth5 1', 'wlan0 1', 'eth1 1', 'eth0 1', 'eth9 1', ' 1'],
    'a function is asked once for each interface, not for packets',
  )
})

t.test('interfaces of later sections are selected too, with order, filter and split', async (t) => {
  const later = across(['a', 'b'], 10)
    .interface(1, [[2, 'c']])
    .packet(2, packetAt(10))
    .packet(0, packetAt(11))
  const input = save(Buffer.concat([later.done(), across(['b', 'a'], 10, 12, true).done()]))
  const path = join(folder, 'late-%i')
  const result = await convertFiles([input], path, {
    interfaces: ['a', 'c', 'missing', 'a*'],
    order: 'given',
    filter: 'not greater 200',
    split: { packets: 5 },
  })
  // Sizes start at 60 bytes and grow by ten: packets up to number 14 have at most 200 bytes.
  const expected = [0, 2, 4, 6, 8, 10, 11, 13]
  t.strictSame(
    result.files.flatMap((file) => numbersIn(file.path)),
    expected,
  )
  t.strictSame(
    result.files.map(({ packets }) => packets),
    [5, 3],
  )
  t.strictSame(
    dissect((result.files[1] as { path: string }).path).map((packet) => packet.interface),
    ['c', 'a', 'a'],
  )
  t.match(result.warnings, [
    /^interfaces\[3\]: "a\*" is taken as an exact name/,
    'no interface of the inputs has the name missing, a*',
  ])
})

t.test('selecting no interface, or a function that throws, rejects', async (t) => {
  const input = save(across(['eth0', 'eth1'], 10).done())
  const other = save(pcap([packetAt(0)]))
  const output = name()
  for (const order of ['time', 'given'] as const) {
    await t.rejects(convertFiles([input, other], output, { interfaces: ['eth7', 'eth8'], order }), {
      code: 'ERR_NO_INTERFACE',
      interface: 'eth7',
      message: 'no interface has the name eth7, eth8; the inputs have eth0, eth1, one without a name',
    })
    await t.rejects(convertFiles([input, other], output, { interfaces: '^eth', order }), {
      code: 'ERR_NO_INTERFACE',
      message: /one without a name; a name is taken as it is: for a pattern write { include: "\^eth" }$/,
    })
    const throwing = {
      include: () => {
        throw new Error('mine')
      },
    }
    await t.rejects(convertFiles(input, output, { interfaces: throwing, order }), { code: 'ERR_PATTERN' })
  }
  await t.rejects(convertFiles(input, output, { interfaces: { exclude: 'eth' } }), {
    code: 'ERR_NO_INTERFACE',
    message: 'no interface is selected; the inputs have eth0, eth1',
  })
  await t.rejects(convertFiles(input, output, { interfaces: [] }), { code: 'ERR_OPTION', option: 'interfaces' })
  const controller = new AbortController()
  const aborting = {
    include: () => {
      controller.abort('enough')
      return true
    },
  }
  await convertFiles(input, output, { interfaces: aborting, signal: controller.signal }).then(
    () => t.fail('it was aborted'),
    (reason) => t.equal(reason, 'enough'),
  )
  t.notOk(existsSync(output))
  const numerous = save(
    across(
      Array.from({ length: 30 }, (_, i) => `if${i}`),
      0,
    ).done(),
  )
  const error = await convertFiles(numerous, output, { interfaces: 'x' }).catch((error: CaptureError) => error.message)
  t.match(error, /if19 and more$/)
})

const keyLog = 'CLIENT_RANDOM 00 11\n'
const bytes = (big: boolean) => new Pcapng(big).bytes()
const secretsBody = (big: boolean, options: Options = []) =>
  withOptions(big, bytes(big).u32(0x544c534b, keyLog.length).padded(keyLog).done(), options)
const namesBody = (big: boolean, options: Options = []) => {
  const ipv4 = Buffer.concat([Buffer.from([192, 0, 2, 1]), Buffer.from('host.example\0alias\0')])
  const ipv6 = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.from('six.example\0')])
  const records = bytes(big).u16(1, ipv4.length).padded(ipv4).u16(2, ipv6.length).padded(ipv6).u16(0, 0)
  return withOptions(big, records.done(), options)
}
function withOptions(big: boolean, body: Buffer, options: Options): Buffer {
  const all = bytes(big).raw(body)
  for (const [code, value] of options) all.u16(code, Buffer.from(value as Uint8Array).length).padded(value)
  return (options.length > 0 ? all.u16(0, 0) : all).done()
}
const kinds = ['nameResolution', 'decryptionSecrets', 'custom'] as const
const keep = { keep: kinds } satisfies ConvertOptions

/** The numbers of the packets of a file. No pcap file is used here: tshark writes none from a file with such blocks. */
const numbersOf = (path: string) => readByTshark(path).map(({ bytes }) => sequenceOf(Buffer.from(bytes, 'hex')))

/** The blocks as read by the library. */
async function blocksOf(path: string) {
  await using file = await openFile(path, { keep: { blocks: kinds } })
  for await (const _ of file);
  return file.blocks
}

t.test('secrets that editcap put into a file are in every part of it, as Wireshark finds them', async (t) => {
  const plain = save(across(['eth0'], 100).done())
  const [input, again] = [name(), name()]
  run('editcap', ['--inject-secrets', `tls,${save(keyLog)}`, plain, input])
  const inSecrets = (path: string) => blocksIn(path).filter((block) => /^: Decryption Secrets Block/.test(block)).length
  t.equal(inSecrets(input), 1)
  const split = { split: { packets: 30 } }
  const parts = (await convertFiles(input, join(folder, 'part-%i'), { ...split, ...keep })).files.map(
    ({ path }) => path,
  )
  t.strictSame(parts.map(inSecrets), [1, 1, 1, 1])
  for (const part of parts) {
    t.match(await blocksOf(part), [{ kind: 'decryptionSecrets', secretsType: 0x544c534b, data: Buffer.from(keyLog) }])
  }
  // After the parts are merged, the secrets are in the file once.
  t.match(await convertFiles(parts, again, { ...keep }), { written: 100, warnings: [] })
  t.equal(inSecrets(again), 1)
  t.strictSame(readByTshark(again), readByTshark(input))
  // Without `keep`, secrets are not copied.
  const without = await convertFiles(input, join(folder, 'without-%i'), split)
  t.strictSame(
    without.files.map(({ path }) => inSecrets(path)),
    [0, 0, 0, 0],
  )
  t.strictSame(
    parts.map((part) => describe(part).packets),
    [30, 30, 30, 10],
  )
})

t.test('name resolution, secrets and custom blocks are converted from either byte order', async (t) => {
  for (const big of [false, true]) {
    const text: Options[number] = [2988, bytes(big).u32(32473).raw('for all').done()]
    const input = save(
      across(['eth0'], 1, 0, big)
        .block(
          4,
          namesBody(big, [
            [1, 'note'],
            [2, 'server'],
            [3, Buffer.from([192, 0, 2, 53])],
          ]),
        )
        .block(10, secretsBody(big, [[1, 'of whom'], text]))
        .block(
          4,
          namesBody(big, [
            [1, 'note'],
            [2, 'server'],
            [3, Buffer.from([192, 0, 2, 53])],
          ]),
        )
        .packet(0, packetAt(1))
        .done(),
    )
    const output = name()
    t.match(await convertFiles(input, output, keep), { written: 2, warnings: [] })
    const [names, secrets, ...more] = await blocksOf(output)
    t.strictSame(more, [], 'the same block is there once')
    // The body must be identical to that of a writer with this byte order.
    t.strictSame(
      Buffer.from(names?.body ?? []),
      namesBody(false, [
        [1, 'note'],
        [2, 'server'],
        [3, Buffer.from([192, 0, 2, 53])],
      ]),
    )
    t.strictSame(
      Buffer.from(secrets?.body ?? []),
      secretsBody(false, [
        [1, 'of whom'],
        [2988, bytes(false).u32(32473).raw('for all').done()],
      ]),
    )
    const hosts = run('tshark', ['-n', '-r', output, '-q', '-z', 'hosts']).toString()
    t.match(hosts, /192\.0\.2\.1\s+alias/) // tshark shows the last of several names
    t.match(hosts, /2001:db8::1\s+six\.example/)
    t.match(blocksIn(output).join(''), /TLS Key Log/i)
    t.strictSame(numbersOf(output), [0, 1])
  }
})

t.test('a block that cannot be carried over is named in a warning', async (t) => {
  const custom = (big: boolean) => bytes(big).u32(32473).raw('private.').done()
  const binary = (big: boolean): Options[number] => [2989, bytes(big).u32(32473).raw('four').done()]
  const carried = async (big: boolean, type: number, body: Buffer) => {
    const output = name()
    const file = across(['eth0'], 1, 0, big).block(type, body).packet(0, packetAt(1))
    const { warnings } = await convertFiles(save(file.done()), output, keep)
    t.equal(describe(output).packets, 2)
    const blocks = await blocksOf(output)
    t.equal(blocks.length + warnings.length, 1, 'carried over, or told')
    if (blocks[0]) t.strictSame(Buffer.from(blocks[0].body), body)
    return warnings[0]?.replace(/^.*?: /, '') ?? 'carried'
  }
  const unknown =
    /^the block of type \d+ at byte \d+ is not carried over, nor may be others: it is damaged, or has numbers/
  t.equal(await carried(false, 0xbad, custom(false)), 'carried')
  t.match(await carried(true, 0xbad, custom(true)), unknown)
  t.match(await carried(false, 0x40000bad, custom(false)), /type 1073744813 at byte \d+ .* must not be copied$/)
  t.equal(await carried(false, 10, secretsBody(false, [binary(false)])), 'carried')
  t.match(await carried(true, 10, secretsBody(true, [binary(true)])), unknown)
  t.match(await carried(true, 4, namesBody(true, [[77, 'x']])), unknown)
  t.match(await carried(true, 4, bytes(true).u16(9, 4).raw('what').u16(0, 0).done()), unknown)
  // Damaged: lengths that extend beyond the block.
  t.match(await carried(false, 10, bytes(false).u32(0x544c534b, 5).raw('four').done()), unknown)
  t.match(await carried(false, 4, bytes(false).u16(1, 400).raw('four').done()), unknown)
  t.match(await carried(false, 0xbad, Buffer.alloc(0)), unknown)

  const twice = save(across(['eth0'], 1).block(0xbad, custom(false)).packet(0, packetAt(1)).done())
  const result = await convertFiles(twice, join(folder, 'custom-%i'), { ...keep, split: { packets: 1 } })
  t.strictSame(
    await Promise.all(result.files.map(async ({ path }) => (await blocksOf(path)).length)),
    [1, 0],
    'a custom block is there once',
  )
  const none = await convertFiles(twice, name(), { keep: ['nameResolution'] })
  t.strictSame([none.warnings, (await blocksOf(none.files[0]?.path ?? '')).length], [[], 0])
  const out = name()
  await t.rejects(convertFiles(twice, out, { keep: ['custom'], format: 'pcap' }), {
    code: 'ERR_OPTION',
    option: 'keep',
  })
  for (const wrong of ['custom', ['other'], [5]]) {
    await t.rejects(convertFiles(twice, out, { keep: wrong } as unknown as ConvertOptions), { code: 'ERR_OPTION' })
  }
})
