// Recipes that print what packets mean: run as the pages of docs/recipes/ have them.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import tls from 'node:tls'
import { encode } from 'dns-packet'
import { frame, inject, parseTlsClientHello } from 'ringtap'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { Recipe } from '../support/recipe.js'

const broadcast = { source: '02:00:00:00:00:09', destination: 'ff:ff:ff:ff:ff:ff' }

/** The lines that a program has printed, each parsed from JSON. */
const objects = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

t.test('dns-log', async (t) => {
  const recipe = new Recipe(t, 'dns-log')
  await recipe.capturing()
  const questions = [{ type: 'A' as const, name: 'one.example' }]
  const answers = [{ type: 'A' as const, name: 'one.example', data: '192.0.2.1', ttl: 60 }]
  const sender = createSocket('udp4')
  sender.bind(5300, '127.0.0.1')
  await once(sender, 'listening')
  for (const message of [
    encode({ type: 'query', id: 7, questions }),
    encode({ type: 'response', id: 7, questions, answers }),
    Buffer.from('no DNS'),
  ])
    await new Promise((resolve) => sender.send(message, 53, '127.0.0.2', resolve))
  sender.close()
  await recipe.printed(/(.*\n){3}/)
  const { code, stdout, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  const ends = { from: '127.0.0.1', to: '127.0.0.2', names: ['A one.example'] }
  t.strictSame(objects(stdout), [
    { ...ends, type: 'query', data: [] },
    { ...ends, type: 'response', data: ['192.0.2.1'] },
    { from: '127.0.0.1', malformed: 6 },
  ])
})

t.test('arp-watch', async (t) => {
  addVeth('eth0', 'far0')
  const recipe = new Recipe(t, 'arp-watch')
  await recipe.capturing()
  const arp = (senderMac: string, senderIp: string) =>
    frame({ ethernet: broadcast, arp: { senderMac, senderIp, targetIp: '192.0.2.9' } })
  await inject('eth0', [
    arp('02:00:00:00:00:01', '192.0.2.1'),
    arp('02:00:00:00:00:09', '0.0.0.0'),
    arp('02:00:00:00:00:01', '192.0.2.1'),
    arp('02:00:00:00:00:02', '192.0.2.1'),
    arp('02:00:00:00:00:02', '192.0.2.2'),
  ])
  await recipe.printed(/192\.0\.2\.2 is/)
  const { code, stdout, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.strictSame(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd()),
    [
      '192.0.2.1 is at 02:00:00:00:00:01',
      '192.0.2.1 is at 02:00:00:00:00:02 and was at 02:00:00:00:00:01',
      '192.0.2.2 is at 02:00:00:00:00:02',
    ],
  )
  del('eth0')
})

/** Resolves when a socket is closed, whatever the cause. */
const closing = (socket: Socket) => new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))

t.test('tcp-log', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('answer'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const recipe = new Recipe(t, 'tcp-log')
  await recipe.capturing()
  const client = connect(port, '127.0.0.1')
  client.end('a question')
  client.resume()
  await closing(client)
  server.close()
  await once(server, 'close')
  await closing(connect(port, '127.0.0.1')) // nobody listens any more
  const { code, stdout, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.strictSame(
    stdout
      .replace(/[\d.]+ ms/g, 'TIME')
      .trimEnd()
      .split('\n'),
    [
      `127.0.0.1 > 127.0.0.1 port ${port}: SF, TIME, 10 bytes out, 6 in`,
      `127.0.0.1 > 127.0.0.1 port ${port}: REJ, TIME, 0 bytes out, 0 in`,
    ],
  )
})

t.test('tls-names', async (t) => {
  const hellos: { name: string | undefined; ja4: string }[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      const hello = parseTlsClientHello(data)
      if (typeof hello === 'object') hellos.push({ name: hello.serverName, ja4: hello.ja4 })
      socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const recipe = new Recipe(t, 'tls-names')
  await recipe.capturing()
  for (const servername of ['one.example', 'two.example'])
    await closing(tls.connect({ host: '127.0.0.1', port, servername }))
  const plain = connect(port, '127.0.0.1')
  plain.end('GET / HTTP/1.1\r\n\r\n')
  plain.resume()
  await closing(plain)
  server.close()
  await recipe.printed(/two\.example.*\n/)
  const { code, stdout, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(hellos.length, 2)
  t.strictSame(
    objects(stdout),
    hellos.map((hello) => ({ to: '127.0.0.1', ...hello })),
  )
  t.equal(hellos[0]?.name, 'one.example')
})

t.test('top-talkers', async (t) => {
  addVeth('eth0', 'far0')
  const recipe = new Recipe(t, 'top-talkers')
  await recipe.capturing()
  const datagram = (destinationPort: number, payload: Uint8Array) =>
    frame({
      ethernet: broadcast,
      ipv4: { source: '192.0.2.1', destination: '192.0.2.2' },
      udp: { sourcePort: 40000, destinationPort },
      payload,
    })
  const sum = (port: number) => {
    const row = new RegExp(`│ '192\\.0\\.2\\.1' │ '192\\.0\\.2\\.2' │ +${port} +│ +(\\d+) +│`, 'g')
    return [...recipe.stdout.matchAll(row)].reduce((total, [, bytes]) => total + Number(bytes), 0)
  }
  await inject('eth0', [...Array(10).fill(datagram(9, Buffer.alloc(1000))), datagram(10, Buffer.alloc(100))])
  drainBacklog()
  // Both ends of the pair are captured: each packet counts twice.
  const [large, small] = [2 * 10 * (1000 + 28), 2 * (100 + 28)]
  await recipe.printed(/│ +10 +│/)
  const { code, stderr } = await recipe.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(sum(9), large)
  t.equal(sum(10), small)
  del('eth0')
})
