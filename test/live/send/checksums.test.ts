// Sending captured packets: the kernel leaves TCP and UDP checksums, and the segmentation of large TCP sends, to the
// device. Packets that pass through a capture and an injector must still arrive intact.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Capture, Injector, openFile, type Packet, replay } from 'ringtap'
import type { Test } from 'tap'
import { TestFolder } from '../../helpers/test-folder.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn } from '../support/network.js'
import { commandIn } from '../support/tools.js'
import { patience, waitUntil, within } from '../support/wait.js'

t.setTimeout(240_000 * patience)
const folder = new TestFolder(t)

// Two hosts, a and b, connected only through this process.
const [a, b] = [await addNamespace(), await addNamespace()]
t.teardown(async () => {
  await a.close()
  await b.close()
})
addVeth('ethA', 'farA', { peerNamespace: a.pid })
addVeth('ethB', 'farB', { peerNamespace: b.pid })
// The tests' namespaces have IPv6 off, because it sends packets of its own.
for (const [{ pid }, device] of [
  [a, 'farA'],
  [b, 'farB'],
] as const) {
  const path = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`
  const [command, rest] = commandIn(pid, 'sh', ['-c', `echo 0 > ${path}`])
  execFileSync(command, rest)
}
ipIn(a.pid, 'address', 'add', '192.0.2.1/24', 'dev', 'farA')
ipIn(b.pid, 'address', 'add', '192.0.2.2/24', 'dev', 'farB')
ipIn(a.pid, 'address', 'add', 'fd00::1/64', 'dev', 'farA', 'nodad')
ipIn(b.pid, 'address', 'add', 'fd00::2/64', 'dev', 'farB', 'nodad')
for (const { pid } of [a, b]) ipIn(pid, 'link', 'set', 'lo', 'up')

const bytes = 4 << 20

function node(namespace: number, args: readonly string[]): ChildProcess {
  const [command, rest] = commandIn(namespace, process.execPath, args)
  return spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

const peer = (namespace: number, ...args: string[]) =>
  node(namespace, [fileURLToPath(new URL('../support/gso-peer.js', import.meta.url)), ...args])

/** Sends `bytes` from a to b over TCP; returns the number of bytes that arrived. */
async function transfer(address: string): Promise<number> {
  const receiver = peer(b.pid, 'receive', '7000', '::')
  const lines = createInterface({ input: receiver.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  await lines.next()
  const sender = peer(a.pid, 'send', address, '7000', String(bytes))
  const gone = [once(receiver, 'exit'), once(sender, 'exit')]
  const received = Number((await lines.next()).value)
  await Promise.all(gone)
  return received
}

/** Sends packets received on one interface out of another, until stopped. */
async function forward(t: Test, from: string, to: string) {
  const capture = await Capture.open({ interfaces: from, direction: 'in', chunk: { maxDelay: 1 } })
  t.teardown(() => capture.close())
  const injector = await Injector.open(to)
  t.teardown(() => injector.close())
  let pending = 0
  let longest = 0
  const done = (async () => {
    for await (const chunk of capture) {
      for (const packet of chunk) {
        if (packet.checksumPending) pending++
        longest = Math.max(longest, packet.capturedLength)
      }
      await injector.send(chunk)
    }
  })()
  return async () => {
    await capture.stop()
    await done
    const { sent, refused, refusals } = injector.stats()
    const wrong = imbalances(capture.stats())
    await capture.close()
    await injector.close()
    return { sent, refused, refusals, wrong, pending, longest }
  }
}

for (const segments of ['by the device', 'by the kernel'] as const) {
  for (const address of ['192.0.2.2', 'fd00::2']) {
    t.test(`TCP to ${address} survives a capture and an injector, divided ${segments}`, async (t) => {
      // The kernel segments longer frames before it passes them to the device.
      if (segments === 'by the kernel') ip('link', 'set', 'dev', 'ethB', 'gso_max_size', '2000')
      const there = await forward(t, 'ethA', 'ethB')
      const back = await forward(t, 'ethB', 'ethA')
      t.equal(await within(transfer(address), 'the transfer', 120_000), bytes)
      const [first, second] = [await there(), await back()]
      for (const one of [first, second]) {
        t.strictSame(one.refusals, [])
        t.strictSame(one.wrong, [])
      }
      t.ok(first.pending > 0, 'checksums were left to the device')
      t.ok(first.longest > 1514, `the longest frame has ${first.longest} bytes`)
    })
  }
}

t.test('UDP of a recording has right checksums after replay and inject', async (t) => {
  const mac = addressIn(b.pid)
  ipIn(a.pid, 'neigh', 'replace', '192.0.2.2', 'lladdr', mac, 'dev', 'farA')
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'ethA', direction: 'in', filter: 'udp port 7001' })
  const recording = await capture.record({ path })
  const sending = node(a.pid, ['-e', sendDatagrams])
  await once(sending, 'exit')
  await waitUntil(() => recording.stats().packets === 10, 'the datagrams in the file')
  await recording.stop()
  await capture.close()

  const packets: Packet[] = []
  for await (const chunk of await openFile(path)) for (const packet of chunk) packets.push(packet.copy())
  t.equal(packets.length, 10)
  for (const way of ['replay', 'inject'] as const) {
    const receiver = node(b.pid, ['-e', receiveDatagrams])
    const lines = createInterface({ input: receiver.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    t.equal((await lines.next()).value, 'listening')
    const gone = once(receiver, 'exit')
    if (way === 'replay') {
      t.match(await replay(path, { interface: 'ethB', speed: 'fastest' }), { sent: 10, refused: 0 })
    } else {
      await using injector = await Injector.open('ethB')
      t.match(await injector.send(packets), { sent: 10, refused: 0 })
    }
    t.equal((await within(lines.next(), 'the datagrams', 60_000)).value, '10 of 10')
    await gone
  }
})

/** The address of farB. */
function addressIn(pid: number): string {
  return /link\/ether (\S+)/.exec(ipIn(pid, 'link', 'show', 'farB'))?.[1] ?? ''
}

const sendDatagrams = `
  const socket = require('node:dgram').createSocket('udp4')
  let sent = 0
  const next = () => sent === 10 ? socket.close() : socket.send('number ' + sent++, 7001, '192.0.2.2', next)
  next()`
const receiveDatagrams = `
  const socket = require('node:dgram').createSocket('udp4')
  const seen = new Set()
  socket.on('message', (message) => {
    seen.add(String(message))
    if (seen.size < 10) return
    console.log(seen.size + ' of 10')
    socket.close()
  })
  socket.bind(7001, '0.0.0.0', () => console.log('listening'))`
