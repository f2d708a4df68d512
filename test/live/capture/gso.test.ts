import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Capture } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn, link } from '../support/network.js'
import { tables } from '../support/tables.js'
import { commandIn } from '../support/tools.js'
import { waitUntilStable, within } from '../support/wait.js'
import { difference, packetKey, startTcpdump } from '../support/witness.js'

const far = await addNamespace()
t.teardown(() => far.close())
addVeth('eth0', 'far0', { peerNamespace: far.pid })
ip('address', 'add', '192.0.2.1/24', 'dev', 'eth0')
ipIn(far.pid, 'address', 'add', '192.0.2.2/24', 'dev', 'far0')

const ethernet = 14
const bytes = 8 << 20

function peer(namespace: number | undefined, ...args: string[]): ChildProcess {
  const script = fileURLToPath(new URL('../support/gso-peer.js', import.meta.url))
  const [command, rest] = commandIn(namespace, process.execPath, [script, ...args])
  return spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Sends `bytes` over TCP; resolves when both ends have exited. */
async function transfer(fromHere: boolean): Promise<number> {
  const receiver = peer(fromHere ? far.pid : undefined, 'receive', '7000')
  const gone = [once(receiver, 'exit')]
  const lines = createInterface({ input: receiver.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  await lines.next()
  const address = fromHere ? '192.0.2.2' : '192.0.2.1'
  gone.push(once(peer(fromHere ? undefined : far.pid, 'send', address, '7000', String(bytes)), 'exit'))
  const received = Number((await lines.next()).value)
  await Promise.all(gone)
  return received
}

for (const { table, skip } of tables) {
  for (const fromHere of [true, false]) {
    t.test(
      `merged TCP segments are delivered as the kernel shows them, ${fromHere ? 'outgoing' : 'incoming'}, ${table}`,
      { skip },
      async (t) => {
        const { mtu } = link('eth0')
        const witness = await startTcpdump({ interface: 'eth0', filter: 'tcp', snapLength: 262_144 })
        await using capture = await Capture.open({
          interfaces: 'eth0',
          filter: 'tcp',
          ring: { table, blockSize: 256 << 10 },
        })
        const keys: string[] = []
        let long = 0
        let cut = 0
        let pending = 0
        let payload = 0
        let badLength = 0
        const reading = (async () => {
          for await (const chunk of capture) {
            for (const packet of chunk) {
              const { data, direction } = packet
              keys.push(packetKey('', '', data))
              if (packet.capturedLength !== packet.originalLength) cut++
              if (packet.originalLength > mtu + ethernet) long++
              if (packet.checksumPending) pending++
              if (packet.checksumPending && packet.checksumVerified) t.fail('a checksum cannot be both')
              const view = new DataView(data.buffer, data.byteOffset, data.length)
              const header = ((view.getUint8(14) & 15) + (view.getUint8(14 + 20 + 12) >>> 4)) * 4
              if (view.getUint16(16) + ethernet !== data.length) badLength++
              if ((direction === 'out') === fromHere) payload += data.length - ethernet - header
            }
          }
        })()
        t.equal(await within(transfer(fromHere), 'the transfer', 60_000), bytes)
        // The last segments of the connection may still be on their way.
        await waitUntilStable(() => capture.stats().received, 'the connection')
        await capture.stop()
        await reading
        const stats = capture.stats()
        t.ok(long > 0, `${long} of ${keys.length} packets are longer than the MTU of ${mtu}`)
        t.equal(cut, 0, 'and whole')
        t.equal(stats.truncated, 0)
        t.ok(payload >= bytes, 'all the payload (some may have been sent twice)')
        t.equal(badLength, 0, 'as long as IP says')
        t.ok(pending > 0, `${pending} with a checksum that nobody has filled in`)
        t.equal(stats.droppedByRing, 0)
        t.same(imbalances(stats), [])
        t.same(
          difference(
            keys,
            (await witness.stop()).map(({ data }) => packetKey('', '', data)),
          ),
          { missing: [], surplus: [] },
          'the packets that tcpdump saw',
        )
      },
    )
  }
}
