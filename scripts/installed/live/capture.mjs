// Live checks: captures, interfaces, and chunks in JavaScript.
import {
  Capture,
  CaptureError,
  checkCapture,
  frame,
  inject,
  listInterfaces,
  resolvePeer,
  watchInterfaces,
} from 'ringtap'
import { capture, equal, filter, numberOf, send, until } from './support.mjs'

/** A connection of its own for each number, and `count` frames of it. */
const connection = (number) => ({
  protocol: 'udp',
  localAddress: '10.9.0.1',
  localPort: 1000 + number,
  remoteAddress: '10.9.0.2',
  remotePort: 53,
})
function framesOf(number, count) {
  const { localAddress: source, remoteAddress: destination, localPort: sourcePort, remotePort } = connection(number)
  const bytes = frame({
    ethernet: { source: '02:00:00:00:00:01', destination: 'ff:ff:ff:ff:ff:ff' },
    ipv4: { source, destination },
    udp: { sourcePort, destinationPort: remotePort },
    payload: new Uint8Array(100),
  })
  return Array.from({ length: count }, () => bytes)
}
const sourcePort = (packet) => packet.readUInt16BE(34)

/** Captures the frames of connections that `traffic` sends; returns how many came of each, and the ledger. */
async function captureConnections(options, traffic, ended) {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter: 'udp', ...options })
  await traffic(session)
  await until(() => ended(session.stats()), 'the packets')
  await session.stop()
  const counts = {}
  for await (const chunk of session) {
    for (const packet of chunk) counts[sourcePort(packet)] = (counts[sourcePort(packet)] ?? 0) + 1
  }
  const stats = session.stats()
  await session.close()
  return { counts: JSON.stringify(counts), stats }
}

export const captureChecks = {
  'what this process may do': () => equal(checkCapture().ok, true, 'checkCapture().ok'),
  interfaces: () => equal(listInterfaces().filter(({ name }) => /^(left|right)$/.test(name)).length, 2, 'interfaces'),
  ring: () => capture({}, 100),
  'libpcap handles': () => capture({ backend: 'pcap' }, 100),
  'a filter that is wrong': async () => {
    const error = await Capture.open({ interfaces: 'right', filter: 'no such filter' }).catch((thrown) => thrown)
    equal(error instanceof CaptureError, true, 'a CaptureError')
    equal(error.code, 'ERR_FILTER_SYNTAX', 'its code')
  },
  abort: async () => {
    const controller = new AbortController()
    const session = await Capture.open({ interfaces: 'right', filter, signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    const error = await (async () => {
      for await (const _ of session);
    })().then(
      () => undefined,
      (thrown) => thrown,
    )
    await session.close()
    equal(error?.name, 'AbortError', 'what the loop ends with')
  },
  watch: async () => {
    const watcher = watchInterfaces({ initial: true })
    const names = new Set()
    for await (const event of watcher) {
      names.add(event.interface.name)
      if (names.has('left') && names.has('right')) break
    }
    await watcher.close()
  },
  'views of a released chunk are empty': async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    await send(10, 0)
    const views = []
    let packets = 0
    for await (const chunk of session) {
      for (const packet of chunk) views.push(packet.data)
      packets += chunk.packetCount
      if (packets >= 10) break
    }
    equal(views.length, 10, 'views')
    equal(Math.max(...views.map((view) => view.length)), 0, 'their length')
    await session.close()
  },
  'what is kept stays': async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    await send(10, 0)
    const kept = []
    let packets = 0
    for await (const chunk of session) {
      kept.push(chunk.retain())
      packets += chunk.packetCount
      if (packets >= 10) break
    }
    await session.close()
    const numbers = kept.flatMap((chunk) => Array.from(chunk, numberOf))
    equal(numbers.sort().join(), '0,1,2,3,4,5,6,7,8,9', 'numbers')
  },
  '100 000 packets': async () => {
    const count = 100_000
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    const chunks = session[Symbol.asyncIterator]()
    const seen = new Uint8Array(count)
    let packets = 0
    while (packets < count) {
      // Fewer at once than the processor's queue holds, which veth puts them into (net.core.netdev_max_backlog, 1000).
      await send(500, packets)
      for (const end = packets + 500; packets < end; ) {
        const { value } = await chunks.next()
        value.forEach((packet) => {
          seen[numberOf(packet)]++
          packets++
        })
      }
    }
    await session.close()
    equal(seen.indexOf(0), -1, 'the first that is missing')
    equal(packets, count, 'packets')
  },
  'connections that are excluded': async () => {
    const { counts } = await captureConnections(
      { excludeConnections: connection(1) },
      async (session) => {
        await inject('left', [...framesOf(1, 5), ...framesOf(2, 5)])
        await until(() => session.stats().received === 5, 'five packets')
        await session.setConnections([connection(2)])
        await inject('left', [...framesOf(2, 7), ...framesOf(1, 7)])
      },
      ({ received }) => received === 12,
    )
    // Nobody took the first five in time: they had to pass the new list as well.
    equal(counts, '{"1001":7}', 'packets by port')
  },
  'the first packets of each connection': async () => {
    if (!checkCapture().ebpf) {
      const error = await Capture.open({ cutoff: { packets: 3 } }).catch((thrown) => thrown)
      equal(error.code, 'ERR_PERMISSION', 'without CAP_BPF, its code')
      return
    }
    const { counts, stats } = await captureConnections(
      { cutoff: { packets: 3 } },
      async (session) => {
        session.keep(connection(2))
        await inject(
          'left',
          [1, 2, 3].flatMap((number) => framesOf(number, 10)),
        )
      },
      ({ received, beyondCutoff }) => received + beyondCutoff === 30,
    )
    equal(counts, '{"1001":3,"1002":10,"1003":3}', 'packets by port')
    equal(stats.beyondCutoff, 14, 'refused')
  },
  'the far end of a veth': async () => {
    const peer = await resolvePeer('left')
    equal(peer?.name, 'right', 'its name')
    equal(peer.namespace?.own, true, 'in this namespace')
  },
}
