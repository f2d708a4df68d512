// Programs of examples/ that read what packets mean: the same lines of a capture, and of a file that tcpdump wrote meanwhile.

import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import tls from 'node:tls'
import { type Answer, decode, encode } from 'dns-packet'
import { frame, inject, parseTlsClientHello, type TlsClientHello } from 'ringtap'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import { Example, type Test } from '../support/example.js'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn, link } from '../support/network.js'
import { startTcpdump } from '../support/witness.js'

type Tap = typeof t

const folder = new TestFolder(t)
ip('link', 'set', 'lo', 'mtu', '1500')

/** Lines without times of day and without ports that the system has chosen. */
const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{6} {2}/, '').replace(/:[3-6]\d{4}\b/g, ':PORT'))

/**
 * Runs a program on an interface during some traffic, and then on a file of the same packets.
 *
 * @param said what it has printed once it has seen all traffic
 * @returns its lines, without the first of the capture and the last of each: these are compared here
 */
async function watched(
  t: Test & Pick<Tap, 'equal' | 'match'>,
  name: string,
  iface: string,
  traffic: () => Promise<void>,
) {
  const witness = await startTcpdump({ interface: iface, snapLength: 65535 })
  const program = new Example(t, name, [`^${iface}$`])
  await program.said(/^capturing on .*; Ctrl-C ends\n/)
  await traffic()
  drainBacklog()
  const { code, stdout, stderr } = await program.stop()
  t.equal(code, 0)
  t.equal(stderr, '')
  const [first, ...live] = lines(stdout)
  t.equal(first, `capturing on ${iface}; Ctrl-C ends`)
  const packets = (await witness.stop()).map((packet) => ({ ...packet, time: packet.timestampNs }))
  const file = pcap(packets, { nanoseconds: true })
  const read = await new Example(t, name, ['--read', folder.write(file)]).ended()
  t.equal(read.code, 0)
  t.equal(read.stderr, '')
  const ofFile = lines(read.stdout)
  const [total, totalOfFile] = [live.pop(), ofFile.pop()]
  t.match(total, /; (\d+) received = \1 delivered \+ 0 lost, ring full \+ 0 lost, overflow full \+ 0 unselected$/)
  t.match(totalOfFile, /; \d+ packets? read$/)
  t.equal(total?.split('; ')[0], totalOfFile?.split('; ')[0])
  return { live, ofFile, total: total?.split('; ')[0] }
}

/** A DNS server at 127.0.0.1 port 53, over UDP and TCP; what it answers to a name over either. */
async function serveDns(answer: (name: string, overTcp: boolean) => { truncated?: boolean; answers?: Answer[] }) {
  const respond = (message: Buffer, overTcp: boolean) => {
    const { id, questions = [] } = decode(message)
    const { truncated, answers = [] } = answer(questions[0]?.name ?? '', overTcp)
    const flags = (truncated ? 0x0200 : 0) | (answers.length > 0 || truncated ? 0 : 3)
    return encode({ type: 'response', id: id as number, flags, questions, answers })
  }
  const udp = createSocket('udp4')
  udp.on('message', (message, { port, address }) => udp.send(respond(message, false), port, address))
  udp.bind(53, '127.0.0.1')
  const tcp = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', async (data: Buffer) => {
      // In pieces, which are segments of their own, and the length in two of them.
      const response = respond(data.subarray(2), true)
      const length = Buffer.from([response.length >> 8, response.length & 255])
      const whole = Buffer.concat([length, response])
      for (const piece of [whole.subarray(0, 1), whole.subarray(1, 9), whole.subarray(9)]) {
        await new Promise((resolve) => socket.write(piece, resolve))
      }
    })
  })
  tcp.listen(53, '127.0.0.1')
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
  return async () => {
    udp.close()
    tcp.close()
    await once(tcp, 'close')
  }
}

t.test('dns-log: questions and answers over UDP, in fragments, and over TCP', async (t) => {
  const a = (name: string, data: string): Answer => ({ type: 'A', name, data, ttl: 60 })
  const close = await serveDns((name, overTcp) => {
    if (name === 'one.example') return { answers: [a(name, '192.0.2.1'), a(name, '192.0.2.2')] }
    if (name === 'alias.example') {
      return { answers: [{ type: 'CNAME', name, data: 'one.example' }, a('one.example', '192.0.2.1')] }
    }
    if (name === 'large.example') {
      return { answers: [{ type: 'TXT', name, data: Array.from({ length: 20 }, () => Buffer.alloc(200, 'x')) }] }
    }
    if (name === 'tcp.example') return overTcp ? { answers: [a(name, '192.0.2.3')] } : { truncated: true }
    return {}
  })
  const { live, ofFile, total } = await watched(t, 'dns-log', 'lo', async () => {
    const resolver = new Resolver({ tries: 1 })
    resolver.setServers(['127.0.0.1'])
    t.strictSame(await resolver.resolve4('one.example'), ['192.0.2.1', '192.0.2.2'])
    t.strictSame(await resolver.resolve4('alias.example'), ['192.0.2.1'])
    t.strictSame(await resolver.resolve4('tcp.example'), ['192.0.2.3'])
    await t.rejects(resolver.resolve6('none.example'), { code: 'ENOTFOUND' })
    const socket = createSocket('udp4')
    const ask = async (message: Uint8Array) => {
      socket.send(message, 53, '127.0.0.1')
      return (await once(socket, 'message'))[0] as Buffer
    }
    const question = (name: string) => encode({ type: 'query', id: 7, questions: [{ type: 'TXT', name }] })
    t.ok((await ask(question('large.example'))).length > 4000, 'an answer that needs fragments')
    await ask(question('a\u001b[31m\\\u00e4\u202e.example'))
    const other = createSocket('udp4')
    await new Promise((resolve) => other.send(Buffer.from('no DNS'), 53, '127.0.0.2', resolve))
    other.close()
    socket.close()
    resolver.cancel()
  })
  await close()
  const client = '127.0.0.1:PORT > 127.0.0.1:53'
  const server = '127.0.0.1:53 > 127.0.0.1:PORT'
  const expected = [
    `${client} udp  A? one.example`,
    `${server} udp  A one.example: NOERROR, 192.0.2.1, 192.0.2.2`,
    `${client} udp  A? alias.example`,
    `${server} udp  A alias.example: NOERROR, one.example, 192.0.2.1`,
    `${client} udp  A? tcp.example`,
    `${server} udp  A tcp.example: NOERROR, truncated`,
    `${client} tcp  A? tcp.example`,
    `${server} tcp  A tcp.example: NOERROR, 192.0.2.3`,
    `${client} udp  AAAA? none.example`,
    `${server} udp  AAAA none.example: NXDOMAIN`,
    `${client} udp  TXT? large.example`,
    `${server} udp  TXT large.example: NOERROR, TXT`,
    `${client} udp  TXT? a\\x1b[31m\\\u00e4\\u202e.example`,
    `${server} udp  TXT a\\x1b[31m\\\u00e4\\u202e.example: NXDOMAIN`,
    '127.0.0.1:PORT > 127.0.0.2:53 udp  malformed, 6 bytes',
  ]
  t.strictSame(live, expected)
  t.strictSame(ofFile, expected)
  t.equal(total, '15 messages')
})

/** Resolves when a socket is closed, whatever the cause. */
const closing = (socket: Socket) => new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))

/** Ends connections after the first data; `heard`: these data. */
async function listen(heard: (data: Buffer) => void, answer?: Buffer): Promise<[Server, number]> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      heard(data)
      socket.end(answer ?? '')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [server, (server.address() as { port: number }).port]
}

t.test('tls-names: server name, protocols and JA4 of each ClientHello', async (t) => {
  const hellos: TlsClientHello[] = []
  const [server, port] = await listen((data) => {
    const hello = parseTlsClientHello(data)
    if (typeof hello === 'object') hellos.push(hello)
  })
  const { live, ofFile, total } = await watched(t, 'tls-names', 'lo', async () => {
    for (const options of [
      { servername: 'one.example', ALPNProtocols: ['h2', 'http/1.1'] },
      { servername: 'two.example', maxVersion: 'TLSv1.2' as const },
      {},
    ]) {
      const socket = tls.connect({ host: '127.0.0.1', port, ...options })
      await closing(socket)
    }
    const plain = connect(port, '127.0.0.1')
    plain.end('GET / HTTP/1.1\r\n\r\n')
    plain.resume()
    await closing(plain)
  })
  server.close()
  t.equal(hellos.length, 3)
  const [one, two, three] = hellos.map(({ ja4 }) => ja4)
  t.match(one, /^t13d\d{4}h2_/)
  t.match(two, /^t12d\d{4}00_/)
  t.match(three, /^t13i\d{4}00_/)
  const ends = `127.0.0.1:PORT > 127.0.0.1:PORT tcp`
  const expected = [
    `${ends}  one.example, h2, http/1.1  ${one}`,
    `${ends}  two.example  ${two}`,
    `${ends}  no name  ${three}`,
  ]
  t.strictSame(live, expected)
  t.strictSame(ofFile, expected)
  t.equal(total, '3 handshakes')
})

t.test('connections: state, times and bytes of each TCP connection', async (t) => {
  const [server, port] = await listen(() => {}, Buffer.alloc(5000))
  const [closed, closedPort] = await listen(() => {})
  closed.close()
  await once(closed, 'close')
  const { live, ofFile, total } = await watched(t, 'connections', 'lo', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.end(Buffer.alloc(1234))
    socket.resume()
    await closing(socket)
    const refused = connect(closedPort, '127.0.0.1')
    await closing(refused)
  })
  server.close()
  const ends = '127\\.0\\.0\\.1:PORT > 127\\.0\\.0\\.1:PORT tcp'
  const ms = '\\d+(\\.\\d{1,3})? ms'
  const half = '\\d+(\\.\\d{1,3})?'
  for (const seen of [live, ofFile]) {
    t.equal(seen.length, 2)
    // Both may end with the program: then they have no particular order.
    seen.sort()
    t.match(seen[0], new RegExp(`^${ends}  REJ  ${ms}, no handshake, 0 \\+ 0 bytes$`))
    t.match(seen[1], new RegExp(`^${ends}  SF  ${ms}, handshake ${half} \\+ ${ms}, 1,234 \\+ 5,000 bytes$`))
  }
  t.equal(total, '2 connections')
})

t.test('connections: a closed connection is logged while the network is silent', async (t) => {
  const [server, port] = await listen(() => {})
  const program = new Example(t, 'connections', ['^lo$'])
  await program.said(/Ctrl-C ends/)
  const socket = connect(port, '127.0.0.1')
  socket.end('x')
  socket.resume()
  await closing(socket)
  server.close()
  await program.said(new RegExp(`127.0.0.1:${port} tcp  SF .* 1 \\+ 0 bytes\n`))
  t.match(await program.stop(), { code: 0, stderr: '' })
})

t.test('arp-watch: owners of addresses, as they are first seen and as they change', async (t) => {
  const far = await addNamespace()
  t.teardown(() => far.close())
  addVeth('eth0', 'far0', { peerNamespace: far.pid, address: '02:00:00:00:00:01', peerAddress: '02:00:00:00:00:02' })
  ip('address', 'add', '192.0.2.1/24', 'dev', 'eth0')
  ipIn(far.pid, 'address', 'add', '192.0.2.2/24', 'dev', 'far0')
  const received = () => link('eth0').stats64.rx.packets
  /** Has the kernel resolve the other host's address. */
  const resolve = async () => {
    const before = received()
    const socket = createSocket('udp4')
    await new Promise((done) => socket.send('x', 9, '192.0.2.2', done))
    socket.close()
    while (received() === before) await new Promise((done) => setTimeout(done, 5))
  }
  const { live, ofFile, total } = await watched(t, 'arp-watch', 'eth0', async () => {
    await resolve()
    ipIn(far.pid, 'link', 'set', 'far0', 'address', '02:00:00:00:00:03')
    ip('neigh', 'flush', 'dev', 'eth0')
    await resolve()
    // One that claims the first host's address in another's name, and one that asks whether an address is free.
    const ethernet = { source: '02:00:00:00:00:09', destination: 'ff:ff:ff:ff:ff:ff' }
    const claim = { senderMac: '02:00:00:00:00:04', senderIp: '192.0.2.1', targetIp: '192.0.2.1' }
    const probe = { senderMac: '02:00:00:00:00:09', senderIp: '0.0.0.0', targetIp: '192.0.2.9' }
    await inject('eth0', [frame({ ethernet, arp: claim }), frame({ ethernet, arp: probe })])
  })
  ip('link', 'del', 'eth0')
  const expected = (name: string) => [
    `${name}  192.0.2.1 is at 02:00:00:00:00:01`,
    `${name}  192.0.2.2 is at 02:00:00:00:00:02`,
    `${name}  192.0.2.2 is at 02:00:00:00:00:03, it was at 02:00:00:00:00:02`,
    `${name}  192.0.2.1 is at 02:00:00:00:00:04, it was at 02:00:00:00:00:01, says 02:00:00:00:00:09`,
  ]
  t.strictSame(live, expected('eth0'))
  t.strictSame(ofFile, expected(''))
  t.equal(total, '2 addresses, 2 changes')
})
