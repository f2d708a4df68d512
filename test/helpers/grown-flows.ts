import { type Flow, FlowTable, frame, Packet } from 'ringtap'

/** A packet of raw IP whose ends and time are set anew for each use. */
export class Datagram {
  readonly packet = Packet.from(
    frame({ ipv4: { source: '10.0.0.1', destination: '10.0.0.2' }, udp: { sourcePort: 1, destinationPort: 2 } }),
    { linkType: 101 },
  )
  readonly #view = new DataView(this.packet.data.buffer, this.packet.data.byteOffset)

  /** From host `flow` of 10.0.0.0/8 to 192.0.2.1, or back. */
  of(flow: number, back = false): Packet {
    this.#view.setUint32(back ? 16 : 12, 0x0a000000 + flow)
    this.#view.setUint32(back ? 12 : 16, 0xc0000201)
    this.#view.setUint16(20, back ? 53 : 1024)
    this.#view.setUint16(22, back ? 1024 : 53)
    return this.packet
  }
}

/** Counts of `count` flows, each of which has packets while the table grows from one to the last. */
export function grown(count: number): { flows: number; wrong: number; begun: number } {
  const datagram = new Datagram()
  const table = new FlowTable({ maxFlows: count, activeTimeout: 2 ** 31, idleTimeout: 86_400_000 })
  const expected = Array.from({ length: count }, () => [0, 0] as [number, number])
  const add = (flow: number, back: boolean) => {
    ;(expected[flow] as [number, number])[back ? 1 : 0]++
    table.add(datagram.of(flow, back))
  }
  for (let i = 0; i < count; i++) {
    add(i, false)
    add((i * 7919) % (i + 1), true)
    add(i >> 1, false)
  }
  let wrong = 0
  const check = ({ sourceIp, originator, responder }: Flow) => {
    const [, b, c, d] = sourceIp.split('.').map(Number) as [number, number, number, number]
    const [there, back] = expected[b * 65_536 + c * 256 + d] as [number, number]
    if (originator.packets !== there || responder.packets !== back) wrong++
  }
  for (const flow of table.current()) check(flow)
  const { flows, begun } = table.stats()
  return { flows, wrong, begun }
}
