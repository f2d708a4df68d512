import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Capture } from 'ringtap'
import { buildHost } from '../support/crossings.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { ipIn, links } from '../support/network.js'
import { tables } from '../support/tables.js'
import { commandIn } from '../support/tools.js'
import { waitUntilStable, within } from '../support/wait.js'
import { difference, packetKey, startTcpdump } from '../support/witness.js'

const ethernet = 14
const bytes = 4 << 20
const host = await buildHost(t)
const mtus = new Map(links().map(({ ifname, mtu }) => [ifname, mtu]))
for (const [name, address, gateway] of [
  ['va', '10.0.0.1', '10.0.0.254'],
  ['vb', '10.0.0.2', '10.0.0.254'],
  ['up0', '10.0.1.4', '10.0.1.254'],
] as const) {
  const namespace = host.behind[name] as number
  ipIn(namespace, 'address', 'add', `${address}/24`, 'dev', 'far')
  ipIn(namespace, 'route', 'add', 'default', 'via', gateway)
}

function peer(at: string, ...args: string[]): ChildProcess {
  const script = fileURLToPath(new URL('../support/gso-peer.js', import.meta.url))
  const [command, rest] = commandIn(host.behind[at], process.execPath, [script, ...args])
  return spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Sends `bytes` over TCP; resolves when both ends have exited. */
async function transfer(from: string, to: string, address: string): Promise<number> {
  const receiver = peer(to, 'receive', '7000')
  const gone = [once(receiver, 'exit')]
  const lines = createInterface({ input: receiver.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  await lines.next()
  gone.push(once(peer(from, 'send', address, '7000', String(bytes)), 'exit'))
  const received = Number((await lines.next()).value)
  await Promise.all(gone)
  return received
}

for (const { table, skip } of tables) {
  for (const { from, to, address, first, again } of [
    { from: 'va', to: 'vb', address: '10.0.0.2', first: ['va in', 'vb in'], again: [] },
    { from: 'host', to: 'va', address: '10.0.0.1', first: ['br0 out', 'va in'], again: [] },
    { from: 'va', to: 'host', address: '10.0.0.254', first: ['va in', 'br0 out'], again: [] },
    // The classic mode does not recognise a routed packet as a duplicate.
    { from: 'va', to: 'up0', address: '10.0.1.4', first: ['va in', 'up0 in'], again: ['up0 out', 'br0 out'] },
  ]) {
    t.test(`merged TCP segments from ${from} to ${to} are delivered once, ${table}`, { skip }, async (t) => {
      const nameOf = new Map(links().map(({ ifindex, ifname }) => [ifindex, ifname]))
      const witness = await startTcpdump({ interface: 'any', filter: 'tcp' })
      await using capture = await Capture.open({ filter: 'tcp', ring: { table }, dedupe: true })
      capture.on('warning', () => {})
      const keys: string[] = []
      let long = 0
      const reading = (async () => {
        for await (const chunk of capture) {
          for (const { interface: iface, direction, data, originalLength } of chunk) {
            keys.push(packetKey(iface.name, direction, data.subarray(ethernet, ethernet + 1000)))
            if (originalLength > (mtus.get(iface.name) as number) + ethernet) long++
          }
        }
      })()
      t.equal(await within(transfer(from, to, address), 'the transfer', 60_000), bytes)
      // The last segments of the connection may still be on their way.
      await waitUntilStable(() => capture.stats().received, 'the connection')
      await capture.stop()
      await reading
      const sightings = (await witness.stop()).map(({ interfaceIndex, direction, data }) => ({
        at: `${nameOf.get(interfaceIndex as number)} ${direction}`,
        key: packetKey(nameOf.get(interfaceIndex as number) as string, direction, data.subarray(0, 1000)),
      }))
      const wanted = table === 'classic' ? [...first, ...again] : first
      t.strictSame(
        difference(
          keys,
          sightings.flatMap(({ at, key }) => (wanted.includes(at) ? key : [])),
        ),
        { missing: [], surplus: [] },
        `${keys.length} of ${sightings.length} sightings: ${wanted.join(', ')}`,
      )
      const stats = capture.stats()
      t.ok(long > 0, `${long} are longer than the MTU`)
      t.equal(stats.duplicates, sightings.length - keys.length)
      t.strictSame(imbalances(stats), [])
    })
  }
}
