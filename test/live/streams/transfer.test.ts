// A large transfer between two hosts, captured with super-frames and put together again.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Capture, FlowTable, TcpReassembler, type TcpStream } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, ip, ipIn } from '../support/network.js'
import { commandIn } from '../support/tools.js'
import { patience } from '../support/wait.js'

t.setTimeout(240_000 * patience)

const far = await addNamespace()
t.teardown(() => far.close())
addVeth('eth0', 'far0', { peerNamespace: far.pid })
ip(...'address add 192.0.2.1/24 dev eth0'.split(' '))
ipIn(far.pid, ...'address add 192.0.2.2/24 dev far0'.split(' '))
ip('link', 'set', 'eth0', 'up')
ipIn(far.pid, 'link', 'set', 'far0', 'up')

const bytes = 50_000_000

function peer(namespace: number | undefined, ...args: string[]) {
  const script = fileURLToPath(new URL('../support/duplex-peer.js', import.meta.url))
  const process_ = spawn(...commandIn(namespace, process.execPath, [script, ...args]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { lines: createInterface({ input: process_.stdout })[Symbol.asyncIterator](), gone: once(process_, 'exit') }
}

/**
 * Counts, for each end, how often sequence numbers are skipped. The kernel itself reorders segments of a connection when
 * their senders move from one processor to another.
 */
class SkipCounter {
  readonly skips = { originator: 0, responder: 0 }
  private readonly next = new Map<'originator' | 'responder', number>()

  add(bytes: Uint8Array): void {
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const tcp = 14 + (data.getUint8(14) & 15) * 4
    const end = data.getUint16(tcp) === 7000 ? 'responder' : 'originator'
    const flags = data.getUint8(tcp + 13)
    const length = 14 + data.getUint16(16) - tcp - (data.getUint8(tcp + 12) >> 4) * 4
    const span = length + (flags & 1) + ((flags >> 1) & 1) // FIN and SYN take a number each
    const sequence = data.getUint32(tcp + 4)
    const next = this.next.get(end) ?? sequence
    if (span === 0 && this.next.has(end)) return
    if (((sequence - next) | 0) > 0) this.skips[end]++
    if (((sequence + span - next) | 0) >= 0) this.next.set(end, (sequence + span) >>> 0)
  }
}

t.test('what both ends have sent is what comes out, byte for byte', async (t) => {
  const flows = new FlowTable()
  const streams: { stream: TcpStream; cause: string }[] = []
  const hashes = { originator: createHash('sha256'), responder: createHash('sha256') }
  const reassembler = new TcpReassembler({
    onStream: (stream) => {
      stream.onData = (data, end) => hashes[end].update(data)
      stream.onGap = (length, end) => t.fail(`a gap of ${length} bytes of the ${end}`)
      stream.onEnd = (cause) => streams.push({ stream, cause })
    },
  })
  // Room for all of it, so that nothing is lost however late this process runs.
  await using capture = await Capture.open({
    interfaces: 'eth0',
    filter: 'tcp port 7000',
    ring: { memory: 192 * 2 ** 20 },
  })
  let largest = 0
  const skipCounter = new SkipCounter()
  const reading = (async () => {
    for await (const chunk of capture) {
      chunk.forEach((packet) => {
        largest = Math.max(largest, packet.capturedLength)
        reassembler.add(packet)
        flows.add(packet)
        skipCounter.add(packet.data)
      })
    }
  })()
  const server = peer(undefined, 'listen', '7000', 'one', String(bytes))
  await server.lines.next()
  const client = peer(far.pid, 'connect', '192.0.2.1', '7000', 'other', String(bytes))
  const [serverLine, clientLine] = await Promise.all([server.lines.next(), client.lines.next()])
  await Promise.all([server.gone, client.gone])
  const { droppedByRing, droppedByOverflow } = await capture.stop()
  await reading
  await capture.close()
  reassembler.end()
  t.same([droppedByRing, droppedByOverflow], [0, 0])

  const [sent, received] = (clientLine.value as string).split(' ')
  t.equal(serverLine.value, `${received} ${sent}`, 'the hosts agree')
  t.equal(hashes.originator.digest('hex'), sent)
  t.equal(hashes.responder.digest('hex'), received)
  t.equal(streams.length, 1)
  t.match(streams, [{ cause: 'closed', stream: { originator: { bytes, gaps: 0 }, responder: { bytes, gaps: 0 } } }])
  t.ok(largest > 10_000, `super-frames: the largest packet has ${largest} bytes`)
  const { skips } = skipCounter
  t.comment(`skipped sequence numbers: ${JSON.stringify(skips)}`)
  t.match(flows.top(1), [{ state: 'SF', history: /^ShA/ }])
  t.same(
    flows.top(1).map(({ originator, responder }) => ({ originator: originator.gaps, responder: responder.gaps })),
    [skips],
  )
})
