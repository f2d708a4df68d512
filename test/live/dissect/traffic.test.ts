// Live traffic, dissected while it is captured, and by tshark from a file of the same packets.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Capture, Dissector, inject, Layer, Packet, SavefileWriter } from 'ringtap'
import { compareFields } from '../../helpers/compare-fields.js'
import { counting, ethernet } from '../../helpers/layers.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { tsharkFieldsOf } from '../../helpers/tshark-fields.js'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn } from '../support/network.js'
import { send } from '../support/send.js'
import { commandIn } from '../support/tools.js'
import { patience } from '../support/wait.js'

t.setTimeout(240_000 * patience)
const folder = new TestFolder(t)

/** The other host, behind eth0. */
const far = await addNamespace()
t.teardown(() => far.close())
addVeth('eth0', 'far0', { peerNamespace: far.pid })
/** Runs `ip` with the same words on both hosts; `{}` stands for 1 here and 2 there, and eth0 for far0 there. */
function both(words: string): void {
  ip(...words.replaceAll('{}', '1').split(' '))
  ipIn(far.pid, ...words.replaceAll('{}', '2').replaceAll('eth0', 'far0').split(' '))
}
// The tests' namespaces have IPv6 off.
for (const [namespace, device] of [
  [undefined, 'eth0'],
  [far.pid, 'far0'],
] as const) {
  const script = `echo 0 > /proc/sys/net/ipv6/conf/${device}/disable_ipv6`
  execFileSync(...commandIn(namespace, 'sh', ['-c', script]))
}
both('address add 192.0.2.{}/24 dev eth0')
both('address add fd00::{}/64 dev eth0 nodad')
ip(...'link add vx0 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789'.split(' '))
ipIn(far.pid, ...'link add vx0 type vxlan id 42 local 192.0.2.2 remote 192.0.2.1 dstport 4789'.split(' '))
both('address add 203.0.113.{}/24 dev vx0')
for (const device of ['lo', 'eth0', 'vx0']) both(`link set ${device} up`)

const bytes = 300_000

function peer(namespace: number | undefined, ...args: string[]) {
  const script = fileURLToPath(new URL('../support/gso-peer.js', import.meta.url))
  return spawn(...commandIn(namespace, process.execPath, [script, ...args]), { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Sends `bytes` over TCP from the other host to this one. */
async function transfer(address: string): Promise<void> {
  const receiver = peer(undefined, 'receive', '7000', '::')
  const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]()
  await lines.next()
  const sender = peer(far.pid, 'send', address, '7000', String(bytes))
  const gone = [once(receiver, 'exit'), once(sender, 'exit')]
  t.equal(Number((await lines.next()).value), bytes, address)
  await Promise.all(gone)
}

t.test('every field of every packet is as tshark has it', async (t) => {
  const file = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const writer = await SavefileWriter.open(file)
  const dissector = new Dissector({ tunnels: true, tcpOptions: true })
  const kept: Dissector[] = []
  let layers = 0
  let superFrames = 0
  const reading = (async () => {
    for await (const packet of capture.packets()) {
      layers |= dissector.dissect(packet)
      if (dissector.payloadLength > 2000) superFrames++
      // A dissector of its own for each packet, on a copy, so that its getters can be compared later.
      const own = new Dissector({ tunnels: true, tcpOptions: true })
      own.dissect(packet.copy())
      kept.push(own)
      await writer.write(packet)
    }
  })()
  // A packet of one's own goes out like a captured one.
  const made = ethernet(0x88b5, counting(50))
  t.match(await inject('eth0', Packet.from(made)), { sent: 1 })
  for (const address of ['192.0.2.1', 'fd00::1', '203.0.113.1']) await transfer(address)
  // The kernel removes the tag from the bytes of what it receives.
  await send({ interface: 'far0', count: 5, vlan: 0x6007, namespace: far.pid })
  await capture.stop()
  await reading
  await capture.close()
  await writer.close()

  const witness = tsharkFieldsOf(file)
  t.equal(witness.length, kept.length)
  t.ok(kept.length > 40, `${kept.length} packets`)
  const expected =
    Layer.Ethernet |
    Layer.Vlan |
    Layer.Arp |
    Layer.IPv4 |
    Layer.IPv6 |
    Layer.Tcp |
    Layer.Udp |
    Layer.Icmp6 |
    Layer.Vxlan
  t.equal(layers & expected, expected, 'all kinds came')
  t.ok(superFrames > 0, 'frames that are still to be segmented came')
  t.equal(kept.filter((own) => own.vlanId === 7 && own.vlanPriority === 3 && own.destinationPort === 9).length, 5)
  t.equal(kept.filter((own) => own.etherType === 0x88b5 && made.subarray(14).equals(own.payload)).length, 1)
  let compared = 0
  kept.forEach((own, i) => {
    if (own.malformed !== 0 || own.truncated !== 0) t.fail(`${i}: ${own.summary()}`)
    for (const { name, tshark, ringtap } of compareFields(own, witness[i]!)) {
      // The link layer's fields are those of the frame in the tunnel.
      if (name === 'vlanId' && own.tunnelDepth > 0) continue
      if (tshark !== ringtap) t.equal(ringtap, tshark, `${i}: ${name} of ${own.summary()}`)
      compared++
    }
  })
  t.ok(compared > kept.length * 15, `${compared} fields compared`)
})
