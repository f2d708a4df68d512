// What a flow table counts is what tshark counts, of the same packets.
import { type Flow, FlowTable, SavefileWriter } from 'ringtap'
import { test } from 'tap'
import { tcpScene } from '../helpers/tcp-scene.js'
import { TestFolder } from '../helpers/test-folder.js'
import { run } from '../helpers/wireshark.js'

interface Counted {
  packets: number
  bytes: number
  payloadBytes: number
  lost: number
  again: number
}

const fields = [
  ...['ip.src', 'ipv6.src', 'tcp.srcport', 'ip.dst', 'ipv6.dst', 'tcp.dstport', 'ip.len', 'ipv6.plen', 'tcp.len'],
  ...['tcp.analysis.lost_segment', 'tcp.analysis.retransmission', 'tcp.analysis.out_of_order'],
]

/** By `from port to port`. */
function tsharkDirections(file: string): Map<string, Counted> {
  const args = ['-n', '-r', file, '-T', 'fields', '-E', 'separator=|', ...fields.flatMap((name) => ['-e', name])]
  const directions = new Map<string, Counted>()
  for (const line of run('tshark', args).toString().trim().split('\n')) {
    const [v4, v6, fromPort, to4, to6, toPort, length4, length6, payload, lost, again, late] = line.split(
      '|',
    ) as string[]
    const key = `${v4 || v6} ${fromPort} ${to4 || to6} ${toPort}`
    const counted = directions.get(key) ?? { packets: 0, bytes: 0, payloadBytes: 0, lost: 0, again: 0 }
    directions.set(key, counted)
    counted.packets++
    counted.bytes += length4 ? Number(length4) : Number(length6) + 40
    counted.payloadBytes += Number(payload)
    if (lost) counted.lost++
    // What tshark calls out of order depends on times (3 ms, or the round trip): of both together it does not.
    if (again || late) counted.again++
  }
  return directions
}

test('packets, bytes, and what was lost, late or sent again are as tshark counts them', async (t) => {
  const folder = new TestFolder(t)
  for (const lossy of [false, true]) {
    const { packets } = tcpScene(30, { lossy })
    const file = folder.fresh()
    const writer = await SavefileWriter.open(file)
    for (const one of packets) await writer.write(one)
    await writer.close()
    const flows: Flow[] = []
    const table = new FlowTable({ onEnd: (flow) => flows.push(flow) })
    for (const one of packets) table.add(one)
    table.end()
    const ours = new Map<string, Counted>()
    for (const { sourceIp, sourcePort, destinationIp, destinationPort, originator, responder } of flows) {
      const [client, server] = [`${sourceIp} ${sourcePort}`, `${destinationIp} ${destinationPort}`]
      for (const [key, one] of [
        [`${client} ${server}`, originator],
        [`${server} ${client}`, responder],
      ] as const) {
        const { packets: count, bytes, payloadBytes, gaps, retransmissions, outOfOrder } = one
        ours.set(key, { packets: count, bytes, payloadBytes, lost: gaps, again: retransmissions + outOfOrder })
      }
    }
    const theirs = tsharkDirections(file)
    t.equal(flows.length, 30)
    t.equal(theirs.size, 60)
    t.same(Object.fromEntries(ours), Object.fromEntries(theirs))
    t.ok([...theirs.values()].some(({ lost }) => lost > 0))
    t.ok([...theirs.values()].some(({ again }) => again > 0))
  }
})
