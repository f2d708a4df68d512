import { ipv4Text, ipv6Text } from '../dissect/address.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { Flow, type FlowDirection, type FlowEnd, type FlowHandshake, toMicrosecond } from './flow.js'
import { type FlowInterfaces, sameInterface } from './flow-interfaces.js'
import { type FlowSlots, Key, Rare, RareSum, Sum, slotDoubles, slotWords, Tcp } from './flow-slots.js'
import { historyOf, tcpState } from './tcp-tracker.js'

const icmp = 1
const icmp6 = 58
const tcp = 6
const udp = 17

/** Numbers of tunnels have 32 bits without sign; -1 is none. */
const unsigned = (word: number) => (word === -1 ? -1 : word >>> 0)

/** Makes {@link Flow} objects from a table's slots. @internal */
export class FlowReader {
  readonly #slots: FlowSlots
  readonly #interfaces: FlowInterfaces
  readonly #address = new Uint8Array(16)
  readonly #view = new DataView(this.#address.buffer)

  constructor(slots: FlowSlots, interfaces: FlowInterfaces) {
    this.#slots = slots
    this.#interfaces = interfaces
  }

  read(slot: number, end?: FlowEnd): Flow {
    const { words, doubles } = this.#slots
    const key = slot * slotWords
    const row = slot * slotDoubles
    const protocol = (words[key + Key.PROTOCOL] as number) & 0xff
    const ipVersion = (words[key + Key.PROTOCOL] as number) >>> 8 === 4 ? 4 : 6
    const ports = words[key + Key.PORTS] as number
    const payload = (doubles[row + Sum.PAYLOAD] as number) + (doubles[row + Sum.PAYLOAD + 1] as number)
    const states = words[slot * slotWords + Tcp.STATES] as number
    const handshake = protocol === tcp ? this.#handshake(slot) : undefined
    return new Flow({
      sourceIp: this.#ip(key + Key.SOURCE, ipVersion),
      sourcePort: ports >>> 16,
      destinationIp: this.#ip(key + Key.DESTINATION, ipVersion),
      destinationPort: protocol === icmp || protocol === icmp6 ? ports & 0xff : ports & 0xffff,
      protocol,
      ipVersion,
      interfaces: this.#interfacesOf(slot),
      vlan: words[key + Key.VLAN] as number,
      tunnelId: unsigned(words[key + Key.TUNNEL] as number),
      first: this.#slots.rareDoubles[row + RareSum.FIRST] as number,
      last: doubles[row + Sum.LAST] as number,
      originator: this.#direction(slot, 0),
      responder: this.#direction(slot, 1),
      state: protocol === tcp ? tcpState(states, payload) : protocol === udp ? this.#udpState(row) : 'OTH',
      history: historyOf(this.#slots, slot),
      ...(handshake && { handshake }),
      ...(end && { end }),
    })
  }

  #ip(at: number, version: 4 | 6): string {
    const length = version === 4 ? 1 : 4
    for (let i = 0; i < length; i++) this.#view.setInt32(4 * i, this.#slots.words[at + i] as number)
    return version === 4 ? ipv4Text(this.#address, 0) : ipv6Text(this.#address, 0)
  }

  #interfacesOf(slot: number): NetworkInterface[] {
    const { rareWords } = this.#slots
    const at = slot * slotWords + Rare.INTERFACES
    const one = this.#interfaces.get(rareWords[at] as number)
    const other = this.#interfaces.get(rareWords[at + 1] as number)
    if (one && other) return sameInterface(one, other) ? [one] : [one, other]
    return one ? [one] : other ? [other] : []
  }

  #direction(slot: number, end: number): FlowDirection {
    const { words, doubles, rareWords, rareDoubles } = this.#slots
    const sum = (of: number) => doubles[slot * slotDoubles + of + end] as number
    const count = (of: number) => rareWords[slot * slotWords + of + end] as number
    return {
      packets: sum(Sum.PACKETS),
      bytes: sum(Sum.BYTES),
      payloadBytes: sum(Sum.PAYLOAD),
      flags: ((words[slot * slotWords + Tcp.FLAGS] as number) >>> (16 * end)) & 0xffff,
      retransmissions: count(Rare.RETRANSMISSIONS),
      outOfOrder: count(Rare.OUT_OF_ORDER),
      gaps: count(Rare.GAPS),
      gapBytes: rareDoubles[slot * slotDoubles + RareSum.GAP_BYTES + end] as number,
    }
  }

  #udpState(row: number): string {
    const { doubles } = this.#slots
    return doubles[row + Sum.PACKETS] !== 0 && doubles[row + Sum.PACKETS + 1] !== 0 ? 'SF' : 'S0'
  }

  #handshake(slot: number): FlowHandshake | undefined {
    const { rareDoubles } = this.#slots
    const time = (of: number) => rareDoubles[slot * slotDoubles + of] as number
    const [syn, synAck, ack] = [time(RareSum.SYN), time(RareSum.SYN_ACK), time(RareSum.ACK)]
    if (!(syn > 0 && synAck >= syn && ack >= synAck)) return undefined
    return {
      responder: toMicrosecond(synAck - syn),
      originator: toMicrosecond(ack - synAck),
      total: toMicrosecond(ack - syn),
    }
  }
}
