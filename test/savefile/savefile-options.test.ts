// The options of openFile(), and the life of a Savefile.
import { spawnSync } from 'node:child_process'
import { createReadStream, readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type CaptureError, openFile, type SavefileOptions } from 'ringtap'
import t from 'tap'
import { ethernetPackets, rawPackets, savefile } from '../helpers/packets.js'
import { read, readAll } from '../helpers/read-savefile.js'
import { numberedPackets, Pcapng, pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'
import { settle } from '../live/support/process.js'
import { waitUntil, waitUntilStable } from '../live/support/wait.js'

const folder = new TestFolder(t)

t.test('a file that is not a savefile is refused', async (t) => {
  const rejects = async (bytes: Uint8Array, error: Record<string, unknown>) => {
    for (const source of [folder.write(bytes), Readable.from([bytes])]) {
      t.match(await openFile(source).catch((error) => error), error)
    }
  }
  await rejects(Buffer.alloc(0), { code: 'ERR_FILE_TRUNCATED', offset: 0, message: /the file is empty$/ })
  await rejects(Buffer.from('hello'), { code: 'ERR_FILE_FORMAT', message: /begins with 68 65 6c 6c 6f$/ })
  await rejects(pcap([]).subarray(0, 20), { code: 'ERR_FILE_TRUNCATED', offset: 0 })
  const later = pcap([])
  later.writeUInt16LE(3, 4)
  await rejects(later, { code: 'ERR_FILE_FORMAT', offset: 4, message: /version 3\.4/ })
  await t.rejects(openFile(folder.file('none')), { code: 'ERR_SYSTEM', errno: 2, syscall: 'open' })
  await t.rejects(openFile(folder.path), { code: 'ERR_SYSTEM', errno: 21 })
  for (const source of [undefined, 7, null, {}, Buffer.alloc(3)]) {
    await t.rejects(openFile(source as unknown as string), { code: 'ERR_OPTION', message: /^source must be a path/ })
  }
  await t.rejects(openFile('a\0b'), { code: 'ERR_OPTION' })
})

t.test('wrong options are refused', async (t) => {
  const path = folder.write(pcap([]))
  for (const [options, message] of [
    [{ filtre: 'x' }, /^options\.filtre is not an option; known are filter,/],
    [{ filter: 5 }, /^filter must be a pcap-filter expression; got the number 5/],
    [{ snapshotLength: 0 }, /^snapshotLength must be a whole number from 1 to 262144 bytes/],
    [{ chunk: { size: 4096 } }, /^chunk\.size must be a whole number from 524288 to 4194304 bytes/],
    [{ chunk: { size: 524289 } }, /^chunk\.size must be a multiple of 4096/],
    [{ memory: 1 << 20 }, /^memory must be a whole number from 2097152/],
    [{ keep: { blocks: 'custom' } }, /^keep\.blocks must be a list/],
    [{ keep: { blocks: new Array(1) } }, /^keep\.blocks\[0\] must be 'nameResolution' or .*; got undefined/],
    [{ keep: { blocks: ['nothing'] } }, /^keep\.blocks\[0\] must be 'nameResolution' or/],
    [{ comments: 1 }, /^comments must be a boolean/],
    [{ signal: {} }, /^signal must be an AbortSignal/],
  ] as const) {
    await t.rejects(openFile(path, options as unknown as SavefileOptions), { code: 'ERR_OPTION', message })
  }
  await t.rejects(openFile(path, { filter: 'port and' }), { code: 'ERR_FILTER_SYNTAX' })
  await t.rejects(openFile(path, { interfaces: { include: '(' } }), { code: 'ERR_PATTERN' })
})

t.test('a filter is compiled for the link type of each interface', async (t) => {
  const ethernet = ethernetPackets()
  const raw = rawPackets()
  for (const [packets, linkType] of [
    [ethernet, 1],
    [raw, 101],
  ] as const) {
    const path = folder.write(savefile(packets, linkType))
    for (const filter of ['udp port 53', 'ip6 or vlan', 'less 60', '']) {
      // tcpdump cannot compile some filters for raw IP; the library must reject the same ones.
      const witness = spawnSync('tcpdump', ['-r', path, '-w', '-', filter], { maxBuffer: 1 << 28 })
      const file = await openFile(path, { filter })
      const warnings: string[] = []
      file.on('warning', ({ message }) => warnings.push(message))
      const { packets: got } = await read(file)
      await new Promise(setImmediate)
      if (witness.status !== 0) {
        t.equal(got.length, 0, filter)
        t.match(warnings, [/^the filter cannot be applied to packets of link type 101/])
        continue
      }
      t.strictSame(warnings, [])
      const numbers = got.map(({ timestamp }) => Number(timestamp / 1_000_000_000n))
      const expected: number[] = []
      for (let at = 24; at < witness.stdout.length; at += 16 + witness.stdout.readUInt32LE(at + 8)) {
        expected.push(witness.stdout.readUInt32LE(at))
      }
      t.strictSame(numbers, expected, `${filter} on ${linkType}`)
      t.match(file.stats(), { packetsRead: packets.length, filtered: packets.length - got.length, packets: got.length })
    }
  }
  const mixed = new Pcapng().section().interface(1).interface(101)
  for (const { bytes } of ethernet) mixed.packet(0, { time: 0n, data: bytes })
  for (const { bytes } of raw) mixed.packet(1, { time: 0n, data: bytes })
  const count = async (filter: string) => (await readAll(folder.write(mixed.done()), { filter })).packets.length
  const both = await count('udp port 53')
  const alone = async (packets: typeof raw, linkType: number) =>
    (await readAll(folder.write(savefile(packets, linkType)), { filter: 'udp port 53' })).packets.length
  t.ok(both > 0)
  t.equal(both, (await alone(ethernet, 1)) + (await alone(raw, 101)))
})

t.test('only packets of selected interfaces are delivered', async (t) => {
  const file = new Pcapng().section()
  const names = ['eth0', 'eth1', 'veth5', 'wlan0']
  for (const name of names) file.interface(1, [[2, name]])
  for (let i = 0; i < 40; i++) file.packet(i % 4, { time: 0n, data: Buffer.from([i]) })
  file
    .section()
    .interface(1, [[2, 'eth9']])
    .packet(0, { time: 0n, data: Buffer.from([99]) })
  const path = folder.write(file.done())
  const count = async (interfaces: SavefileOptions['interfaces']) => {
    const { packets, file } = await readAll(path, { interfaces })
    t.equal(file.stats().unselected, 41 - packets.length)
    return [...new Set(packets.map((packet) => packet.interface.name))].join(' ')
  }
  t.equal(await count('eth1'), 'eth1')
  t.equal(await count(['wlan0', 'eth9']), 'wlan0 eth9')
  t.equal(await count({ include: '^eth' }), 'eth0 eth1 eth9')
  t.equal(await count({ include: /eth/, exclude: '^veth' }), 'eth0 eth1 eth9')
  t.equal(await count({ include: (iface) => iface.index >= 3 }), 'wlan0 eth9')
  t.equal(await count({}), 'eth0 eth1 veth5 wlan0 eth9')

  const none = await readAll(path, { interfaces: 'eth7' })
  t.match(none.error, {
    code: 'ERR_NO_INTERFACE',
    interface: 'eth7',
    message: /the file has eth0, eth1, veth5, wlan0, eth9$/,
  })
  t.match((await readAll(path, { interfaces: '^eth' })).error, {
    code: 'ERR_NO_INTERFACE',
    message: /eth9; a name is taken as it is: for a pattern write { include: "\^eth" }$/,
  })
  t.equal(none.packets.length, 0)
  const partly = await openFile(path, { interfaces: ['eth0', 'eth7'] })
  const warnings: CaptureError[] = []
  const seen: string[] = []
  partly.on('warning', (warning) => warnings.push(warning))
  partly.on('interface', (iface, selected) => seen.push(`${iface.name} ${selected}`))
  t.equal((await read(partly)).packets.length, 10)
  await new Promise(setImmediate)
  t.match(warnings, [{ code: 'ERR_NO_INTERFACE', message: /no interface has the name eth7/ }])
  t.strictSame(seen, ['eth0 true', 'eth1 false', 'veth5 false', 'wlan0 false', 'eth9 false'])

  const broken = await readAll(path, {
    interfaces: {
      include: (iface) => {
        if (iface.name === 'eth9') throw new Error('no')
        return true
      },
    },
  })
  t.match(broken.error, { code: 'ERR_PATTERN' })
  await t.rejects(openFile(folder.write(pcap(numberedPackets(3))), { interfaces: 'eth0' }), {
    code: 'ERR_NO_INTERFACE',
    message: /the file has one without a name/,
  })
  t.equal((await readAll(folder.write(pcap(numberedPackets(3))), { interfaces: { exclude: 'eth' } })).packets.length, 3)
})

t.test('long packets are cut to the snapshot length', async (t) => {
  const lengths = [262144, 1, 65536, 8191, 8192, 8190, 262144]
  const made = lengths.map((length, number) => ({ time: BigInt(number), data: Buffer.alloc(length, number + 1) }))
  for (const size of [512 << 10, 4 << 20]) {
    const { packets } = await readAll(folder.write(pcap(made)), { chunk: { size }, memory: 2 * size })
    t.strictSame(
      packets.map(({ capturedLength }) => capturedLength),
      lengths,
    )
    t.ok(packets.every(({ data }, i) => Buffer.compare(data, made[i]?.data as Buffer) === 0))
  }
  const cut = await readAll(folder.write(pcap(made)), { snapshotLength: 100 })
  t.strictSame(
    cut.packets.map(({ data, originalLength }) => [data.length, originalLength]),
    lengths.map((length) => [Math.min(length, 100), length]),
  )
  const large = [{ time: 0n, data: Buffer.alloc(3_000_000, 7) }]
  const huge = folder.write(pcap(large, { snapshotLength: 0 }))
  t.equal((await readAll(huge, { chunk: { size: 4 << 20 } })).packets[0]?.capturedLength, 3_000_000)
  t.match((await readAll(huge)).error, { code: 'ERR_FILE_DAMAGED', offset: 24 })
})

t.test('the reader is never further ahead than its memory allows', async (t) => {
  const piece = pcap(numberedPackets(1000)).subarray(24)
  let brought = 0
  let ended = false
  async function* endless() {
    try {
      yield pcap([])
      for (;;) {
        brought += piece.length
        yield piece
      }
    } finally {
      ended = true
    }
  }
  const file = await openFile(endless(), { memory: 2 << 20 })
  await waitUntil(() => brought > (2 << 20) - piece.length, 'both chunks to be full')
  // That nothing more is read can only be seen over time.
  await waitUntilStable(() => brought, 'the reader')
  // Two chunks, plus what is buffered between the stream and them.
  t.ok(brought < (2 << 20) + (1 << 20) + 2 * piece.length, `${brought} bytes`)
  let packets = 0
  for await (const chunk of file) {
    packets += chunk.packetCount
    if (packets > 100_000) break
  }
  t.ok(brought > packets * 300)
  await file.close()
  t.equal(ended, true)
})

t.test('progress and stats advance, an abort and close() end the reading', async (t) => {
  const path = folder.write(pcap(numberedPackets(60_000)))
  const size = readFileSync(path).length
  const file = await openFile(path)
  const heard: number[] = []
  file.on('progress', ({ bytesDone }) => heard.push(bytesDone))
  let done = 24
  let count = 0
  for await (const chunk of file) {
    done += chunk.byteLength + 16 * chunk.packetCount
    count += chunk.packetCount
    t.match(file.stats(), { bytesDone: done, size, packets: count })
  }
  t.equal(heard.at(-1), size)
  t.match(file.stats(), { bytesDone: size, bytesRead: size, bytesUnpacked: size, packets: 60_000, packetsRead: 60_000 })

  const reason = new Error('enough')
  const aborted = AbortSignal.abort(reason)
  await t.rejects(openFile(path, { signal: aborted }), reason)
  const controller = new AbortController()
  const stopped = await openFile(path, { signal: controller.signal })
  let seen = 0
  await t.rejects(async () => {
    for await (const chunk of stopped) {
      seen += chunk.packetCount
      controller.abort(reason)
    }
  }, reason)
  t.ok(seen > 0 && seen < 60_000)
  const quiet = new AbortController()
  const opening = openFile(new Readable({ read() {} }), { signal: quiet.signal })
  setImmediate(() => quiet.abort(reason))
  await t.rejects(opening, reason, 'aborted while it opens')

  const twice = await openFile(path)
  for await (const chunk of twice) {
    t.ok(chunk.packetCount > 0)
    break
  }
  const rest = await read(twice)
  t.ok(rest.packets.length > 0 && rest.packets.length < 60_000, 'another loop goes on')
  await Promise.all([twice.close(), twice.close()])
  {
    await using used = await openFile(path)
    t.equal((await used.packets().next()).value?.capturedLength, 20)
  }
})

t.test('a process ends although it has a file open', async (t) => {
  const path = folder.write(pcap(numberedPackets(60_000)))
  const run = (body: string) => {
    const script = `import { openFile } from 'ringtap'; const file = await openFile(${JSON.stringify(path)}); ${body}`
    return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 60_000 })
  }
  t.match(run(''), { status: 0, stderr: '' })
  t.match(run('for await (const chunk of file) { console.log(chunk.packetCount > 0); break }'), {
    status: 0,
    stdout: 'true\n',
  })
  t.match(run('let n = 0; for await (const chunk of file) n += chunk.packetCount; console.log(n)'), {
    status: 0,
    stdout: '60000\n',
  })
})

t.test('reading files leaks no descriptor, thread or memory', async (t) => {
  const path = folder.write(gzipSync(pcap(numberedPackets(60_000))))
  const once = async () => {
    const file = await openFile(path, { filter: 'less 100' })
    for await (const chunk of file) if (chunk.packetCount > 0) break
    await file.close()
    await openFile(folder.file('none')).catch(() => {})
    await openFile(createReadStream(path)).then((file) => file.close())
  }
  for (let i = 0; i < 5; i++) await once()
  const before = await settle()
  for (let i = 0; i < 50; i++) await once()
  const after = await settle()
  t.strictSame([after.descriptors, after.threads], [before.descriptors, before.threads])
})

t.test('a listener that throws does not end the reading', async (t) => {
  const path = folder.write(
    new Pcapng()
      .section()
      .interface(1)
      .packet(0, { time: 1n, data: Buffer.alloc(60) })
      .done(),
  )
  const script = `
    import { openFile } from 'ringtap'
    const thrown = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    const file = await openFile(${JSON.stringify(path)})
    for (const name of ['interface', 'progress', 'close']) file.on(name, () => { throw new Error(name) })
    let packets = 0
    for await (const chunk of file) packets += chunk.packetCount
    await file.close()
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify({ packets, thrown: [...new Set(thrown)].sort() }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), { packets: 1, thrown: ['close', 'interface', 'progress'] })
})

t.test('a listener for an event that does not exist is refused', async (t) => {
  const file = await openFile(folder.write(pcap([])))
  for (const name of ['packet', 'data', 'end']) {
    t.throws(() => file.on(name as 'close', () => {}), {
      code: 'ERR_OPTION',
      message: new RegExp(
        `^Savefile has no event '${name}'; there are interface, progress, warning, close\\. Packets are`,
      ),
    })
  }
  t.equal((await read(file)).packets.length, 0)
})

t.test('patterns are compiled beside the event loop', async (t) => {
  const costly = Array.from({ length: 8 }, () => 'xa{0,1998}y')
  const opened = openFile(folder.write(pcap([])), { interfaces: { include: costly } })
  let done = false
  const ended = t.rejects(opened, { code: 'ERR_NO_INTERFACE' }).then(() => (done = true))
  const compiles = () =>
    readdirSync('/proc/self/task').some((id) => {
      try {
        return readFileSync(`/proc/self/task/${id}/comm`, 'utf8') === 'ringtap pattern\n'
      } catch {
        return false // the thread has ended
      }
    })
  await waitUntil(() => done || compiles(), 'a thread that compiles')
  t.notOk(done, 'the loop turned meanwhile')
  await ended
})
