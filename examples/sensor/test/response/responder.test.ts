import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { Responder, type ResponderOptions } from '../../src/response/responder.js'
import type { Cut } from '../../src/wire/answer.js'
import t from '../support/live.js'
import { until } from '../support/wait.js'
import { type Hosts, twoHosts } from './network.js'

const later = () => Date.now() + 3_600_000

function cutOf({ addresses, serverPort }: Hosts, port: number, id = `c${port}`): Cut {
  const [source, destination] = addresses
  return { id, source, sourcePort: port, destination, destinationPort: serverPort, until: later() }
}

/** The number of packet sockets in this namespace. */
const packetSockets = () => readFileSync('/proc/net/packet', 'utf8').trim().split('\n').length - 1

function open(t: Test, options: Partial<ResponderOptions> = {}) {
  const log: string[] = []
  const responder = new Responder({
    enabled: true,
    interfaces: () => ['a0', 'b0'],
    log: (level, text) => log.push(`${level} ${text}`),
    ...options,
  })
  t.teardown(() => responder.close())
  return { responder, log }
}

/** Applies cuts and waits until their packets are captured. */
async function apply(responder: Responder, cuts: Cut[]): Promise<void> {
  responder.apply(cuts)
  await responder.ready()
}

for (const how of ['ipv4', 'ipv6'] as const) {
  t.test(`a connection is cut on both ends, others are not: ${how}`, async (t) => {
    const hosts = await twoHosts(t, how)
    const [one, other] = [await hosts.connect(), await hosts.connect()]
    const { responder, log } = open(t)
    await apply(responder, [cutOf(hosts, one.port)])
    one.client.send('hello')
    await one.client.line(/closed ECONNRESET/)
    await hosts.server.line(new RegExp(`^${one.port} closed ECONNRESET`))

    other.client.send('hello')
    await hosts.server.line(new RegExp(`^${other.port} got 5$`))
    hosts.server.send('and back')
    await other.client.line(/got 8$/)

    await responder.close()
    const [report, ...others] = responder.report()
    t.strictSame(others, [])
    t.match(report, { id: `c${one.port}`, outcome: 'ended' })
    t.ok(report!.resets >= 2)
    const resets = log.filter((line) => line.startsWith('debug'))
    t.equal(resets.length, report!.resets, 'each is logged')
    t.ok(resets.every((line) => line.includes(`cut c${one.port}: `)))
    t.equal(packetSockets(), 0, 'nothing is left open')
  })
}

t.test('a connection in the midst of a transfer', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder } = open(t)
  client.send('flood')
  await hosts.server.line(new RegExp(`^${port} got`))
  await apply(responder, [cutOf(hosts, port)])
  await client.line(/closed ECONNRESET/)
  // libuv reports a reset behind unread data as the end of the data.
  await hosts.server.line(new RegExp(`^${port} closed`))
  const [report] = responder.report()
  t.match(report, { id: `c${port}`, outcome: 'cut' })
  t.ok(report!.resets >= 2)
})

t.test('the cut may be given from either end', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder } = open(t)
  const { id, until: end, source, sourcePort, destination, destinationPort } = cutOf(hosts, port)
  await apply(responder, [
    {
      id,
      until: end,
      source: destination,
      sourcePort: destinationPort,
      destination: source,
      destinationPort: sourcePort,
    },
  ])
  hosts.server.send('hello')
  await client.line(/closed ECONNRESET/)
  await hosts.server.line(new RegExp(`^${port} closed ECONNRESET`))
  const [report] = responder.report()
  t.match(report, { id: `c${port}`, outcome: 'cut' })
  t.ok(report!.resets >= 2)
})

t.test('a connection that is being opened is refused while its ports are cut', async (t) => {
  const hosts = await twoHosts(t)
  const { responder } = open(t)
  // Every port that the client may choose: it has 64 of them.
  const ports = Array.from({ length: 64 }, (_, i) => 40_000 + i)
  hosts.limitPorts(40_000, 40_063)
  await apply(
    responder,
    ports.map((port) => cutOf(hosts, port)),
  )
  const client = await hosts.attempt()
  // The SYN is answered by a reset. It may be that the connection is open before, and reset then.
  await client.line(/failed ECONN(REFUSED|RESET)|closed ECONNRESET/)
  t.equal(responder.report().length, 1)
})

t.test('a connection that the filter of the sensor does not accept is left alone', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder } = open(t, { filter: 'udp or not port 5000' })
  await apply(responder, [cutOf(hosts, port)])
  client.send('hello')
  await hosts.server.line(new RegExp(`^${port} got 5$`))
  hosts.server.send('welcome')
  await client.line(/got 7$/)
  await responder.close()
  t.strictSame(responder.report(), [{ id: `c${port}`, outcome: 'unseen', resets: 0 }])
})

t.test('and one on an interface that the sensor does not capture', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder } = open(t, { interfaces: () => ({ include: '^lo$', loopback: true }) })
  await apply(responder, [cutOf(hosts, port)])
  client.send('hello')
  await hosts.server.line(new RegExp(`^${port} got 5$`))
  await responder.close()
  t.strictSame(responder.report(), [{ id: `c${port}`, outcome: 'unseen', resets: 0 }])
})

t.test('disabled: no socket is opened, and the cut is reported as refused', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder, log } = open(t, { enabled: false })
  await apply(responder, [cutOf(hosts, port)])
  client.send('hello')
  await hosts.server.line(new RegExp(`^${port} got 5$`))
  t.equal(packetSockets(), 0)
  const detail = 'active response is disabled'
  t.strictSame(responder.report(), [{ id: `c${port}`, outcome: 'refused', resets: 0, detail }])
  t.match(log[0], /^warn cut .* is refused/)
})

t.test('refused: own, past, mixed and too many; the sockets close when the last cut ends', async (t) => {
  const hosts = await twoHosts(t)
  const { responder } = open(t, { maximumCuts: 1, isOwn: ({ destinationPort }) => destinationPort === 443 })
  const good = cutOf(hosts, 1)
  await apply(responder, [
    { ...good, id: 'own', destinationPort: 443 },
    { ...good, id: 'past', until: Date.now() - 1 },
    { ...good, id: 'mixed', destination: '::1' },
    good,
    { ...good, id: 'again' },
    { ...good, id: 'second', sourcePort: 2 },
  ])
  t.ok(packetSockets() > 0)
  const refused = responder.report()
  t.strictSame(
    refused.map(({ id, outcome }) => `${id} ${outcome}`),
    ['own refused', 'past refused', 'mixed refused', 'again refused', 'second refused'],
  )
  t.strictSame(new Set(refused.map(({ detail }) => detail)).size, 5)

  // The same id with another end time replaces it: here it ends at once.
  await apply(responder, [{ ...good, until: Date.now() - 1 }])
  await until(() => packetSockets() === 0)
  t.strictSame(responder.report(), [{ id: good.id, outcome: 'unseen', resets: 0 }])
})

t.test('a cut ends at its end time, and the connection works from then on', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const reports: string[] = []
  const { responder } = open(t, {
    period: 50,
    onReport: (cuts) => reports.push(...cuts.map(({ id, outcome }) => `${id} ${outcome}`)),
  })
  await apply(responder, [{ ...cutOf(hosts, port), until: Date.now() + 300 }])
  await until(() => reports.length > 0)
  t.strictSame(reports, [`c${port} unseen`])
  client.send('hello')
  await hosts.server.line(new RegExp(`^${port} got 5$`))
})

t.test('the rate bounds the resets; the rest of them follow', async (t) => {
  const hosts = await twoHosts(t)
  const { client, port } = await hosts.connect()
  const { responder } = open(t, { resetsPerSecond: 1 })
  await apply(responder, [cutOf(hosts, port)])
  client.send('hello')
  // On two interfaces, three resets wait: one is sent at once.
  await client.line(/closed ECONNRESET/)
  await hosts.server.line(new RegExp(`^${port} closed ECONNRESET`))
  const [report] = responder.report()
  t.match(report, { id: `c${port}`, outcome: 'cut' })
  t.ok(report!.resets >= 2)
})
