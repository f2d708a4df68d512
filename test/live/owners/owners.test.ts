import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Capture, CaptureError, Dissector, type OwnerGap, type PacketOwners, SocketOwners } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, del, type HeldNamespace, ip, ipIn } from '../support/network.js'
import { settle } from '../support/process.js'
import { commandIn } from '../support/tools.js'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

async function listen(host: string): Promise<[Server, number]> {
  const server = createServer({ allowHalfOpen: false }, (socket) => socket.on('error', () => {}).resume())
  server.listen(0, host)
  await once(server, 'listening')
  return [server, (server.address() as AddressInfo).port]
}

async function closeAll(server: Server, ...sockets: Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
}

const now = () => BigInt(Date.now()) * 1_000_000n + 1_000_000n
const pids = ({ source, destination }: PacketOwners) =>
  [source, destination].map((end) => end.processes.map((p) => p.pid))

/** Runs the script with 125 connections in a namespace; returns its pid and the local ports of the connections. */
async function connections(namespace: number, host: string, port: number): Promise<[number, number[]]> {
  const args = [script('short-connections.js'), host, `${port}`, '125']
  const child = spawn(...commandIn(namespace, process.execPath, args), { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the script that makes connections ended with ${code}`)
  const [pid = '', ports = ''] = said.trim().split(' ')
  return [Number(pid), ports.split(',').map(Number)]
}

t.test('1000 short connections from four network namespaces', async (t) => {
  const namespaces: HeldNamespace[] = []
  for (let i = 0; i < 4; i++) {
    const there = await addNamespace()
    namespaces.push(there)
    addVeth(`near${i}`, 'eth0', { peerNamespace: there.pid })
    ip('address', 'add', `10.9.${i}.1/24`, 'dev', `near${i}`)
    ipIn(there.pid, 'address', 'add', `10.9.${i}.2/24`, 'dev', 'eth0')
  }
  const [server, port] = await listen('0.0.0.0')
  const capture = await Capture.open({ filter: `tcp port ${port}`, owners: true })
  capture.on('warning', () => {})
  const makers = !capture.owners?.missing.some(({ field }) => field === 'makers')

  const seen = new Map<string, { client: Set<number>; server: Set<number>; unknown: Set<string> }>()
  const dissector = new Dissector()
  const reading = (async () => {
    for await (const chunk of capture) {
      await capture.owners?.update(chunk.lastTimestamp)
      for (const packet of chunk) {
        dissector.dissect(packet)
        const { source, destination } = capture.ownersOf(packet)
        const out = dissector.destinationPort === port
        const [client, served] = out ? [source, destination] : [destination, source]
        const key = out
          ? `${dissector.sourceIp} ${dissector.sourcePort}`
          : `${dissector.destinationIp} ${dissector.destinationPort}`
        const one = seen.get(key) ?? { client: new Set(), server: new Set(), unknown: new Set() }
        seen.set(key, one)
        for (const { pid } of client.processes) one.client.add(pid)
        for (const { pid } of served.processes) one.server.add(pid)
        if (client.unknown) one.unknown.add(client.unknown)
      }
    }
  })()
  const made = await Promise.all(
    namespaces.flatMap(({ pid }, i) => [0, 1].map(() => connections(pid, `10.9.${i}.1`, port))),
  )
  await capture.stop()
  await reading
  const count = { right: 0, wrong: 0, unknown: 0, serverRight: 0, serverWrong: 0 }
  for (const [i, [pid, ports]] of made.entries()) {
    for (const local of ports) {
      const one = seen.get(`10.9.${i >> 1}.2 ${local}`)
      if (!one) throw new Error('a connection was not captured')
      if (one.client.size === 0) count.unknown++
      else if (one.client.size === 1 && one.client.has(pid)) count.right++
      else count.wrong++
      if (one.server.size === 1 && one.server.has(process.pid)) count.serverRight++
      else if (one.server.size > 0) count.serverWrong++
    }
  }
  t.comment(`makers ${makers} ${JSON.stringify(count)} ${JSON.stringify(capture.owners?.stats())}`)
  t.equal(seen.size, 1000)
  t.equal(count.wrong, 0)
  t.same([count.serverRight, count.serverWrong], [1000, 0])
  if (makers) t.equal(count.right, 1000, 'with eBPF every one is named')
  else t.equal(count.right + count.unknown, 1000)
  await capture.close()
  t.throws(() => capture.ownersOf({} as never), { code: 'ERR_CLOSED' })
  await closeAll(server)
  for (const [i, there] of namespaces.entries()) {
    del(`near${i}`)
    await there.close()
  }
})

t.test('both ends, and a socket that two processes share', async (t) => {
  await using owners = await SocketOwners.open({ everyNamespace: false })
  const [server, port] = await listen('127.0.0.1')
  const socket = connect(port, '127.0.0.1')
  await Promise.all([once(socket, 'connect'), once(server, 'connection')])
  const flow = {
    protocol: 6,
    sourceIp: '127.0.0.1',
    sourcePort: socket.localPort as number,
    destinationIp: '127.0.0.1',
    destinationPort: port,
  }
  t.equal(owners.ownersOf(flow, now()).source.unknown === 'no-socket', false, 'before: not yet, or known')
  const asked = BigInt(Date.now()) * 1_000_000n
  await owners.update()
  const found = owners.ownersOf(flow, now())
  t.same(pids(found), [[process.pid], [process.pid]])
  t.match(found.source, { by: 'holder', unknown: undefined })
  t.match(found.source.processes[0], { name: /^node|^MainThread/, uid: process.getuid?.() })
  t.match(found.source.processes[0]?.command.join(' '), /owners\.test\.js/)
  t.equal(owners.ownersOf(flow, now()).source.processes[0], found.source.processes[0], 'one object per process')
  // As a packet of UDP it is nobody's, and so is one to an address that is not here.
  t.equal(owners.ownersOf({ ...flow, protocol: 17 }, asked).source.unknown, 'no-socket')
  t.equal(owners.ownersOf({ ...flow, protocol: 1 }, now()).source.unknown, 'no-socket')

  const cat = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit', socket] })
  await once(cat, 'spawn')
  // Holders are searched for again after some seconds.
  const end = Date.now() + 60_000
  let shared: number[] = []
  while (shared.length < 2 && Date.now() < end) {
    await owners.update()
    shared = pids(owners.ownersOf(flow, now()))[0] as number[]
  }
  t.same(
    shared,
    [process.pid, cat.pid].sort((a, b) => (a as number) - (b as number)),
  )
  cat.stdin?.end()
  await once(cat, 'close')
  await closeAll(server, socket)
})

t.test('packets are selected by their owner', async (t) => {
  const [server, port] = await listen('127.0.0.1')
  const capture = await Capture.open({ interfaces: { loopback: true }, filter: `tcp port ${port}`, owners: {} })
  capture.on('warning', () => {})
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const { owners } = capture
  if (!owners) throw new Error('owners are not followed')
  const chunk = (await capture[Symbol.asyncIterator]().next()).value
  await owners.update()
  const total = chunk.packetCount
  t.equal([...owners.select(chunk, { pid: process.pid })].length, total)
  t.equal([...owners.select(chunk, { pid: process.pid, end: 'source' })].length, total)
  t.equal([...owners.select(chunk, { command: /owners\.test/g })].length, total)
  t.equal([...owners.select(chunk, { name: 'no such' })].length, 0)
  t.equal([...owners.select(chunk, { pid: process.pid, container: /./ })].length, 0)
  t.throws(() => owners.select(chunk, { container: 5 } as never), { code: 'ERR_OPTION', message: /filter\.container/ })
  t.throws(() => owners.select(chunk, { who: 'x' } as never), { code: 'ERR_OPTION', message: /filter\.who/ })
  await capture.close()
  await closeAll(server, socket)
})

t.test('without a privilege: its own processes, and what is missing', async (t) => {
  const bare = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all']
  const command = ['env', '-i', `PATH=${process.env['PATH']}`, process.execPath, script('owners-child.js')]
  const { stdout, stderr } = spawnSync('setpriv', [...bare, ...command], { encoding: 'utf8' })
  t.equal(stderr, '')
  const { pid, owners, missing } = JSON.parse(stdout) as { pid: number; owners: PacketOwners; missing: OwnerGap[] }
  t.same(pids(owners), [[pid], [pid]])
  t.ok(missing.some(({ field, capability }) => field === 'makers' && /CAP_BPF/.test(capability ?? '')))
})

t.test('nothing stays behind', async (t) => {
  await (await SocketOwners.open()).close()
  const before = await settle()
  for (let i = 0; i < 5; i++) {
    const owners = await SocketOwners.open()
    const pending = owners.update()
    await Promise.all([owners.close(), owners.close()])
    await pending
    t.equal(owners.stats().sweeps > 0, true)
    await t.rejects(owners.update(), { code: 'ERR_CLOSED' })
    t.throws(() => owners.ownersOf({} as never), { code: 'ERR_CLOSED' })
  }
  const after = await settle()
  t.equal(after.descriptors, before.descriptors)
  t.equal(after.threads, before.threads)
})

t.test('wrong arguments', async (t) => {
  const refused = (options: object, message: RegExp) =>
    t.rejects(SocketOwners.open(options), { code: 'ERR_OPTION', message })
  await refused({ memory: 1 }, /^options\.memory must be .* bytes/)
  await refused({ interval: 0 }, /^options\.interval must be/)
  await refused({ history: -1 }, /^options\.history must be/)
  await refused({ procfs: '' }, /^options\.procfs must be/)
  await refused({ hystory: 1 }, /^options\.hystory is not an option/)
  await refused({ netns: '/nowhere' }, /netns \/nowhere cannot be opened/)
  await t.rejects(Capture.open({ owners: 1 as never }), { code: 'ERR_OPTION' })
  await t.rejects(Capture.open({ owners: { netns: '/x' } as never }), { code: 'ERR_OPTION', message: /owners\.netns/ })
  t.throws(() => new (SocketOwners as unknown as new () => unknown)(), CaptureError)
  await using owners = await SocketOwners.open({ everyNamespace: false })
  await t.rejects(owners.update(5 as never), { code: 'ERR_OPTION', message: /since must be a bigint/ })
  t.throws(() => owners.ownersOf(5 as never), { code: 'ERR_OPTION', message: /packet must be a Packet or a flow/ })
  const flow = { protocol: 6, sourceIp: '10.0.0.1', sourcePort: 1, destinationIp: '10.0.0.2', destinationPort: 2 }
  t.throws(() => owners.ownersOf(flow), { code: 'ERR_OPTION', message: /timestamp must be/ })
  t.throws(() => owners.ownersOf(flow, 5 as never), { code: 'ERR_OPTION', message: /timestamp must be a bigint/ })
  t.throws(() => owners.ownersOf({ ...flow, sourceIp: 'x' }, 5n), { code: 'ERR_OPTION' })
  const capture = await Capture.open({ interfaces: { loopback: true } })
  t.equal(capture.owners, undefined)
  t.throws(() => capture.ownersOf({} as never), { code: 'ERR_OPTION', message: /owners: true/ })
  await capture.close()
})
