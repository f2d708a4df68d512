/**
 * ringtap in two seconds, with real traffic, on any Linux, as root or not, and without touching the machine's network:
 * everything happens in network namespaces that are gone afterwards.
 *
 *   npm run demo
 *
 * It captures on interfaces chosen by patterns, with a filter, while a second process sends; adds two more interfaces
 * while the program is busy; and compares what was sent with what was captured. Exit code 1 if that does not add up.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Capture, explainSelection, hexdump, listInterfaces } from 'ringtap'
import { fail, showWarnings } from './support/command.js'
import { startPeer } from './support/demo/control.js'
import { isInside, runInNamespace, withoutIpv6 } from './support/demo/namespace.js'
import { deviceCounters, here, ip, pair, there, unreachablesSent } from './support/demo/network.js'
import { comparison, mistakes, type Row, Tally } from './support/demo/tally.js'
import { chunkLine, count, eventText, now, packetLine } from './support/format.js'
import { ledger } from './support/ledger.js'
import { color, paint } from './support/style.js'

const ECHO = 7777
const CLOSED = 4444
const SILENT = 8888
const REJECTED = 9999
const interfaces = { include: '^eth', exclude: '^eth9', hotplug: true }
const filter = `not udp port ${REJECTED}`

if (isInside()) await demo()
else process.exitCode = await runInNamespace(fileURLToPath(import.meta.url))

async function demo(): Promise<void> {
  for (const event of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.on(event, () => process.exit(130))
  title('A private network: veth pairs from here to a peer process in another namespace')
  withoutIpv6()
  const peer = await startPeer()
  const present = [0, 1, 9].map(pair)
  ip(present.flatMap((one) => here(one, peer.pid)))
  await peer.tell({ do: 'ip', lines: present.flatMap(there) })
  const services = await serve()

  say(`interfaces matching ${interfaces.include}, but not ${interfaces.exclude}; filter "${filter}"`)
  const capture = await Capture.open({ interfaces, filter }).catch(fail)
  showWarnings(capture)
  capture.on('interface', (event) => {
    if (event.type !== 'changed') say(paint('cyan', eventText(event)))
  })
  for (const iface of listInterfaces()) say(explainSelection(iface, interfaces).text)
  const { ring } = capture.stats()
  say(`one ring of ${ring.memory >> 20} MiB in ${ring.blockCount} blocks, table of interfaces in ${ring.table}`)
  const tally = new Tally()
  const reading = show(capture, tally)

  title('UDP and ICMP, HTTP over TCP, what the filter rejects, and an interface that is excluded')
  const [eth0, eth1, eth9] = present.map(({ address }) => address) as [string, string, string]
  const echoes = await peer.tell({ do: 'udp', to: eth0, port: ECHO, count: 20, pause: 5, answered: true })
  const closed = await peer.tell({ do: 'udp', to: eth0, port: CLOSED, count: 3 })
  const rejected = await peer.tell({ do: 'udp', to: eth1, port: REJECTED, count: 25 })
  await peer.tell({ do: 'http', url: `http://${eth1}:8080/` })
  await peer.tell({ do: 'udp', to: eth9, port: ECHO, count: 15, answered: true })
  await awaitQuiet()

  title('Two interfaces plugged in while JavaScript stands still; packets from the moment they are up')
  const [eth2, eth91] = [pair(2), pair(91)]
  const excludedLater = 5
  ip([...here(eth2, peer.pid), ...here(eth91, peer.pid)])
  const sending = peer.tell(
    { do: 'ip', lines: [...there(eth91), ...there(eth2)] },
    { do: 'udp', to: eth91.address, port: SILENT, count: excludedLater },
    { do: 'udp', to: eth2.address, port: ECHO, count: 8, answered: true },
  )
  standStill(300)
  const plugged = (await sending) - excludedLater
  await awaitQuiet()

  title('The two are unplugged, and the capture is stopped')
  const all = [...present, eth91, eth2]
  await peer.tell({ do: 'ip', lines: all.map((one) => `link set dev ${one.peer} down`) })
  const frames = deviceCounters()
  const unreachables = unreachablesSent()
  ip([`link delete dev ${eth2.name}`, `link delete dev ${eth91.name}`])
  await capture.stop()
  const seen = await reading
  const stats = capture.stats()
  await capture.close()
  await peer.close()
  services.close()

  title('The ledger: what became of every packet that passed the filter')
  console.log(ledger(stats))

  title('What was sent, and what was captured')
  const sent: Sent = { echoes, closed, rejected, plugged, unreachables, on: (name) => frames.get(name) ?? 0 }
  const rows = rowsOf(sent, tally)
  console.log(comparison(rows))

  const wrong = mistakes(rows, stats, seen)
  for (const [name, kind] of [
    ['eth0', 'icmp'],
    ['eth1', 'tcp'],
  ] as const) {
    if (tally.on(name, kind) === 0) wrong.push(`no packet of ${kind} was captured on ${name}`)
  }
  conclude(wrong, sent, seen)
  process.removeAllListeners('disconnect')
  process.disconnect?.()
}

/** What was sent: datagrams by the peer's count, the rest by the kernel's. */
interface Sent {
  echoes: number
  closed: number
  rejected: number
  plugged: number
  /** ICMP messages for datagrams to closed ports. */
  unreachables: number
  /** Frames that an interface has carried. */
  on(interfaceName: string): number
}

/** What was sent beside what was captured, line by line. */
function rowsOf({ echoes, closed, rejected, plugged, unreachables, on }: Sent, tally: Tally): Row[] {
  const row = (name: string, what: string, sent: number, kind?: string): Row => {
    return { name, what, sent, wanted: true, captured: tally.on(name, kind) }
  }
  return [
    row('eth0', 'UDP datagrams, and their answers', 2 * echoes, `udp ${ECHO}`),
    row('eth0', 'UDP datagrams to a closed port', closed, `udp ${CLOSED}`),
    row('eth0', 'ICMP messages that say so (kernel count)', unreachables, 'icmp'),
    row('eth0', 'all of these (kernel count)', on('eth0')),
    { ...row('eth1', 'UDP datagrams that the filter rejects', rejected, `udp ${REJECTED}`), wanted: false },
    row('eth1', 'all others, HTTP over TCP (kernel count)', on('eth1') - rejected),
    row('eth2', 'plugged in: UDP datagrams, and their answers', 2 * plugged, `udp ${ECHO}`),
    row('eth2', 'all of these (kernel count)', on('eth2')),
    { ...row('eth9', 'excluded (kernel count)', on('eth9')), wanted: false },
    { ...row('eth91', 'plugged in, excluded (kernel count)', on('eth91')), wanted: false },
  ]
}

/** Prints the result, and sets the exit code. */
function conclude(wrong: readonly string[], { rejected, on }: Sent, seen: number): void {
  const carried = ['eth0', 'eth1', 'eth2'].reduce((sum, name) => sum + on(name), 0)
  const excluded = on('eth9') + on('eth91')
  console.log(
    wrong.length > 0
      ? paint('red', `\nThis does not add up.\n${wrong.map((line) => `  ${line}`).join('\n')}`)
      : paint(
          'green',
          `\nEverything adds up: of ${count(carried)} frames on the captured interfaces the filter rejected ` +
            `${count(rejected)}, and\nthe other ${count(seen)} were captured, each once, none lost; none of the ` +
            `${count(excluded)} on excluded interfaces.`,
        ),
  )
  process.exitCode = wrong.length > 0 ? 1 : 0
}

/** Prints a line per chunk, and the first packet of each interface; resolves to the number of packets. */
async function show(capture: Capture, tally: Tally): Promise<number> {
  const known = new Set<string>()
  let packets = 0
  for await (const chunk of capture) {
    console.log(`${paint('bold', chunkLine(chunk))}`)
    for (const packet of chunk) {
      packets++
      tally.add(packet)
      const { name } = packet.interface
      if (known.has(name)) continue
      known.add(name)
      console.log(`  the first packet: ${packetLine(packet)}`)
      process.stdout.write(hexdump(packet.data, { length: 96, color, indent: 4 }))
    }
  }
  return packets
}

/** The servers that the peer talks to: a UDP echo, two UDP ports that only receive, and a web page. */
async function serve(): Promise<{ close(): void }> {
  const echo = createSocket('udp4')
  echo.on('message', (message, { port, address }) => echo.send(message, port, address))
  const silent = createSocket('udp4')
  const rejected = createSocket('udp4')
  const web = createServer((_, response) => response.end(Buffer.alloc(200_000, 'ringtap ')))
  const listening = (server: Socket | Server) => once(server, 'listening')
  const ready = [echo, silent, rejected, web].map(listening)
  echo.bind(ECHO)
  rejected.bind(REJECTED)
  silent.bind(SILENT)
  web.listen(8080)
  await Promise.all(ready)
  return {
    close() {
      for (const one of [echo, silent, rejected, web]) one.close()
    },
  }
}

/** Until no interface has carried a frame for a while. */
async function awaitQuiet(): Promise<void> {
  for (let before = ''; ; ) {
    const after = JSON.stringify([...deviceCounters()])
    if (after === before) return
    before = after
    await sleep(150)
  }
}

/** Blocks the event loop, as a busy program does: no event is handled and no chunk taken. */
function standStill(milliseconds: number): void {
  say(`standing still for ${milliseconds} ms`)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
  say('awake')
}

function title(text: string): void {
  console.log(`\n${paint(['bold', 'yellow'], text)}`)
}

function say(text: string): void {
  console.log(`${paint('gray', now())}  ${text}`)
}
