// Recipes that do something with packets: run as the pages of docs/recipes/ have them.
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename } from 'node:path'
import { frame, inject, openFile } from 'ringtap'
import { command, Running, shell } from '../../helpers/command.js'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, ip, ipIn } from '../support/network.js'
import { blockOf, programOf, Recipe } from '../support/recipe.js'
import { expectedFrame, send } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

const folder = new TestFolder(t)

t.test('recorder: every packet is in a file that the server got', async (t) => {
  addVeth('eth0', 'far0')
  const uploads = new Map<string, Buffer>()
  let refusals = 0
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    if (refusals++ === 0) return void response.writeHead(503).end()
    uploads.set(basename(request.url ?? ''), Buffer.concat(parts))
    response.end()
  }).listen(8080, '127.0.0.1')
  await once(server, 'listening')
  const recipe = new Recipe(t, 'recorder', [folder.file('trace.pcapng'), 'http://127.0.0.1:8080', '20000'])
  await recipe.said(/recording 1: opening/)
  await send({ interface: 'eth0', count: 100, size: 1000 })
  await waitUntil(() => uploads.size >= 5, 'some uploads')
  const { code, stderr } = await recipe.stop()
  server.close()
  t.equal(code, 0)
  t.equal(stderr, `onFile failed for ${folder.file('trace-000001.pcapng')}: the server answered 503\n`)
  t.strictSame(readdirSync(folder.path), ['trace-000001.pcapng'], 'the one that was refused is left')
  const packets = async (file: string) => {
    let count = 0
    for await (const chunk of await openFile(file)) count += chunk.packetCount
    return count
  }
  let total = await packets(folder.file('trace-000001.pcapng'))
  for (const bytes of uploads.values()) total += await packets(folder.write(bytes))
  t.equal(total, 200, 'at both ends of the pair')
  del('eth0')
})

t.test('big-file', async (t) => {
  const packets = Array.from({ length: 1000 }, (_, i) => {
    return { time: BigInt(i), data: expectedFrame(i, { size: 100 }), originalLength: 100 + (i % 2) }
  })
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [programOf(t, 'big-file'), folder.write(pcap(packets))],
    { encoding: 'utf8', env: shell() },
  )
  t.equal(status, 0)
  t.equal(stderr, '')
  t.equal(stdout, 'nameless 1000 packets\n100500 bytes\n')
})

/** A datagram from 192.0.2.1 to 192.0.2.2, of 28 bytes and the payload. */
const datagram = (payload: number) =>
  frame({
    ethernet: { source: '02:00:00:00:00:09', destination: 'ff:ff:ff:ff:ff:ff' },
    ipv4: { source: '192.0.2.1', destination: '192.0.2.2' },
    udp: { sourcePort: 40000, destinationPort: 9 },
    payload: Buffer.alloc(payload),
  })

t.test('browser: the page, and its events', async (t) => {
  addVeth('eth0', 'far0')
  const recipe = new Recipe(t, 'browser')
  await recipe.capturing()
  const page = await fetch('http://127.0.0.1:8080/')
  t.equal(page.headers.get('content-type'), 'text/html')
  const html = await page.text()
  const script = /<script>\n(.*)<\/script>$/s.exec(html)?.[1] ?? ''
  t.match(script, /new EventSource\('\/events'\)/)
  t.doesNotThrow(() => new Function(script), 'its script is whole')
  const events = await fetch('http://127.0.0.1:8080/events')
  t.equal(events.headers.get('content-type'), 'text/event-stream')
  await inject('eth0', [datagram(100), datagram(200)])
  let text = ''
  for await (const part of events.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString()
    if (text.includes('192.0.2.1')) break
  }
  const bytes = 2 * (28 + 100 + 28 + 200)
  t.match(text, `data: [["192.0.2.1","192.0.2.2",9,${bytes}]]\n\n`)
  const { code, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  del('eth0')
})

t.test('probe', async (t) => {
  const far = await addNamespace()
  t.teardown(() => far.close())
  addVeth('eth0', 'far0', { peerNamespace: far.pid, address: '02:00:00:00:00:01', peerAddress: '02:00:00:00:00:02' })
  ip('address', 'add', '192.0.2.1/24', 'dev', 'eth0')
  ipIn(far.pid, 'address', 'add', '192.0.2.2/24', 'dev', 'far0')
  const found = await new Recipe(t, 'probe').over()
  t.equal(found.code, 0)
  t.match(found.stdout, /^192\.0\.2\.2 is at 02:00:00:00:00:02, after [\d.]+ µs\n$/)
  const none = await new Recipe(t, 'probe', ['eth0', '192.0.2.3']).over()
  t.equal(none.code, 1)
  t.match(none.stderr, /Error: 192\.0\.2\.3 does not answer/)
  del('eth0')
})

t.test('shell: who sends the most', async (t) => {
  const line = blockOf('shell', 'sh').replace('sudo npx ringtap', `'${process.execPath}' '${command}' --loopback`)
  const shown = new Running(t, 'sh', ['-c', line])
  await shown.said(/listening on/)
  const receiver = createSocket('udp4').bind(9, '127.0.0.9') // so that no packet is answered
  await once(receiver, 'listening')
  for (const [address, count] of [
    ['127.0.0.1', 600],
    ['127.0.0.2', 300],
    ['127.0.0.3', 100],
  ] as const) {
    const socket = createSocket('udp4').bind(0, address)
    await once(socket, 'listening')
    for (let i = 0; i < count; i++) await new Promise((resolve) => socket.send('x', 9, '127.0.0.9', resolve))
    socket.close()
  }
  receiver.close()
  const { code, stdout } = await shown.end()
  t.equal(code, 0)
  t.strictSame(stdout.split('\n'), [
    '    600 "source":"127.0.0.1"',
    '    300 "source":"127.0.0.2"',
    '    100 "source":"127.0.0.3"',
    '',
  ])
})

t.test('service: an end in order, without privileges', async (t) => {
  addVeth('eth0', 'far0')
  const recipe = new Recipe(t, 'service')
  await recipe.capturing()
  await inject('far0', Array(20).fill(datagram(72)))
  drainBacklog()
  const { code, stdout, stderr } = await recipe.stop('SIGTERM')
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(stdout, `20 received, 20 delivered, ${20 * 114} bytes\n`)
  del('eth0')
})

t.test('metrics', async (t) => {
  addVeth('eth0', 'far0')
  const recipe = new Recipe(t, 'metrics')
  await recipe.capturing()
  await inject('eth0', Array(20).fill(datagram(72)))
  const metrics = async () => (await fetch('http://127.0.0.1:9100/metrics')).text()
  const text = await waitUntil(async () => {
    const now = await metrics()
    return now.includes('delivered"} 40\n') && now
  }, 'both ends to be counted')
  for (const line of [
    'ringtap_packets_total{what="received"} 40',
    'ringtap_packets_total{what="droppedByRing"} 0',
    'ringtap_packets_total{what="malformed"} 0',
    `ringtap_interface_bytes_total{interface="eth0"} ${20 * 114}`,
    `ringtap_interface_bytes_total{interface="far0"} ${20 * 114}`,
  ])
    t.ok(text.split('\n').includes(line), line)
  const { code, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  del('eth0')
})

t.test('test: passes on a veth pair, and fails without one', async (t) => {
  const run = () =>
    spawnSync(process.execPath, ['--test', programOf(t, 'test')], { encoding: 'utf8', env: shell(), timeout: 60_000 })
  addVeth('eth0', 'far0')
  const passed = run()
  t.equal(passed.status, 0)
  t.match(passed.stdout, /five frames in, five packets out/)
  del('eth0')
  t.equal(run().status, 1)
  t.match(blockOf('test', 'sh'), /^unshare -rn sh -c '.*node --test'\n$/)
})

t.test('forwarder: every packet arrives, also what the collector first refused', async (t) => {
  addVeth('eth0', 'far0')
  const batches = new Map<number, Buffer>()
  let requests = 0
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    if (requests++ === 0) return void response.writeHead(503).end()
    batches.set(Number(request.url?.slice(1)), Buffer.concat(parts))
    response.end()
  }).listen(8080, '127.0.0.1')
  await once(server, 'listening')
  const recipe = new Recipe(t, 'forwarder')
  await recipe.capturing()
  await send({ interface: 'eth0', count: 1000, size: 100 })
  await waitUntil(() => batches.size > 0, 'a batch')
  await send({ interface: 'eth0', count: 500, size: 100, start: 1000 })
  const { code, stderr } = await recipe.stop()
  server.close()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(requests, batches.size + 1)
  t.strictSame(
    [...batches.keys()],
    Array.from({ length: batches.size }, (_, i) => i),
  )
  let total = 0
  for (const bytes of batches.values())
    for await (const chunk of await openFile(folder.write(bytes))) total += chunk.packetCount
  t.equal(total, 3000, 'of both ends of the pair')
  del('eth0')
})

t.test('whose-container', async (t) => {
  const there = await addNamespace()
  addVeth('near0', 'eth0', { peerNamespace: there.pid })
  addVeth('left0', 'right0')
  const recipe = new Recipe(t, 'whose-container')
  await recipe.capturing()
  await send({ interface: 'near0', count: 10, size: 100 })
  await send({ interface: 'left0', count: 5, size: 100 })
  // The process that holds the namespace is cat(1).
  await recipe.printed(/^cat eth0 1000$/m)
  const { code, stdout, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.same([...new Set(stdout.trimEnd().split('\n'))].at(-1), 'cat eth0 1000')
  t.notMatch(stdout, /left0|right0/)
  del(['near0', 'left0'])
  await there.close()
})
