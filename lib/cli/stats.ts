import { Dissector, formatTimestamp, Layer, openFile } from '../index.js'
import { onInterrupt } from './interrupt.js'
import { write } from './output.js'
import { progressOn } from './progress.js'
import { grouped, metric, oneLine, StatusLine, table } from './terminal.js'

const kinds = ['Tcp', 'Udp', 'Icmp', 'Icmp6', 'Arp', 'IPv4', 'IPv6', 'Vlan', 'Sctp', 'Vxlan'] as const

/** `ringtap stats`: what a file contains, in numbers. */
export async function statsCommand(file: string, words: string[], options: { json?: boolean }): Promise<void> {
  const filter = words.length > 0 ? words.join(' ') : undefined
  const savefile = await openFile(file === '-' ? process.stdin : file, { filter })
  const status = new StatusLine()
  const showProgress = progressOn(status)
  savefile.on('progress', ({ bytesDone, size, packets }) => showProgress(bytesDone, size, packets))
  const end = onInterrupt(() => void savefile.close())
  const d = new Dissector()
  const counts = new Float64Array(kinds.length)
  const masks = kinds.map((kind) => Layer[kind])
  let packets = 0
  let bytes = 0
  let truncated = 0
  let first: bigint | undefined
  let last = 0n
  try {
    for await (const chunk of savefile) {
      if (first === undefined || chunk.firstTimestamp < first) first = chunk.firstTimestamp
      if (chunk.lastTimestamp > last) last = chunk.lastTimestamp
      chunk.forEach((packet) => {
        const layers = d.dissect(packet)
        packets++
        bytes += packet.originalLength
        if (packet.capturedLength < packet.originalLength) truncated++
        for (let i = 0; i < masks.length; i++) if ((layers & masks[i]!) !== 0) counts[i]!++
      })
    }
  } finally {
    end()
    status.clear()
    await savefile.close()
  }
  const seconds = first === undefined ? 0 : Number(last - first) / 1e9
  const layers = Object.fromEntries(
    kinds.map((kind, i) => [kind, counts[i]!] as const).filter(([, count]) => count > 0),
  )
  const interfaces = savefile.interfaces.map(({ name }) => name).filter((name) => name !== '')
  const times = first === undefined ? {} : { first: formatTimestamp(first), last: formatTimestamp(last) }
  if (options.json) {
    const all = { format: savefile.format, interfaces, packets, bytes, truncated, seconds, ...times, layers }
    return write(`${JSON.stringify(all)}\n`)
  }
  const rate =
    seconds > 0 ? [['rate', `${metric(packets / seconds)} packets/s, ${metric((bytes * 8) / seconds)}bit/s`]] : []
  await write(
    table([
      ['format', savefile.format],
      ['interfaces', interfaces.map(oneLine).join(', ') || 'not named'],
      ['packets', grouped(packets)],
      ['bytes', grouped(bytes)],
      ['truncated', grouped(truncated)],
      ...Object.entries(times),
      ['duration', `${seconds.toFixed(6)} s`],
      ...rate,
      ...Object.entries(layers).map(([kind, count]) => [kind, grouped(count)]),
    ]),
  )
}
