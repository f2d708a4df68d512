import { i32 } from '../dissect/bytes.js'
import type { DissectorFields } from '../dissect/fields.js'
import { icmpAnswer } from '../dissect/icmp-answers.js'
import type { FlowIndex } from './flow-index.js'
import { Key, slotWords } from './flow-slots.js'

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { SOURCE, DESTINATION, PORTS, PROTOCOL, INTERFACE, VLAN, TUNNEL } = Key
const rowWords = slotWords

/** Mixes the bits of a word, so that each affects all lower and higher ones. */
function mix(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return h ^ (h >>> 16)
}

/** The hash of one end: its address, of IPv6 folded into a word, and its port. */
function endHash(address: number, port: number, seed: number): number {
  const hash = Math.imul(address ^ seed, 0x7feb352d)
  const both = Math.imul((hash ^ (hash >>> 15)) + port, 0x9e3779b1)
  return both ^ (both >>> 15)
}

/** An address of IPv6 as one word. */
function fold(address: Int32Array, start: number, seed: number): number {
  let hash = seed
  for (let i = start; i < start + 4; i++) {
    hash = Math.imul((hash ^ (hash >>> 15)) + (address[i] as number), 0x846ca68b)
  }
  return hash
}

/**
 * What stands for the ports of ICMP: the type and that of its answer, so that a question and its answer are one flow. A type
 * without an answer has its code and a further bit, so that no message is taken for the other direction of another one.
 */
function icmpPorts(protocol: number, type: number, code: number): number {
  const answer = icmpAnswer(protocol, type)
  return (type << 16) | (answer < 0 ? code | 0x100 : answer)
}

const swapped = (ports: number) => (ports << 16) | (ports >>> 16)

/**
 * The key of the packet that was read last, and the search for its flow.
 *
 * @internal
 */
export class FlowKey {
  /** The same for both directions. */
  hash = 0
  /** Of the packet that was found or written last: 0 if it is the originator's, 1 if it is the responder's. */
  end = 0
  /** The number of the interface (FlowInterfaces), if it is part of the key; 0: one that no flow has; -1: it is no part. */
  interface = -1
  /** Makes the hashes of a table its own: nobody can choose flows that collide. */
  readonly #seed: number
  /** Source in words 0 to 3, destination in 4 to 7; IPv4 has one word of each. */
  readonly #address = new Int32Array(8)
  #isFour = true
  #ports = 0
  /** The protocol, and the IP version above it. */
  #protocol = 0
  #vlan = -1
  #tunnel = -1
  /** Whether interface, VLAN and tunnel may be part of the key. */
  #isDivided = false

  constructor(seed: number) {
    this.#seed = seed
  }

  /**
   * Reads the key of a packet.
   *
   * @param network the place of its IP header in `view`.
   */
  read(d: DissectorFields, view: DataView, network: number): void {
    const ports =
      d.sourcePort >= 0
        ? (d.sourcePort << 16) | d.destinationPort
        : d.icmpCode >= 0
          ? icmpPorts(d.protocol, d.icmpType, d.icmpCode)
          : 0
    const protocol = d.protocol | (d.ipVersion << 8)
    const seed = this.#seed
    const address = this.#address
    const isFour = d.ipVersion === 4
    let source: number
    let destination: number
    if (isFour) {
      source = i32(view, network + 12)
      destination = i32(view, network + 16)
      address[0] = source
      address[4] = destination
    } else {
      for (let i = 0; i < 8; i++) address[i] = i32(view, network + 8 + 4 * i)
      source = fold(address, 0, seed)
      destination = fold(address, 4, seed)
    }
    this.#isFour = isFour
    this.#ports = ports
    this.#protocol = protocol
    // The ends' hashes are added: a sum does not depend on the direction.
    const ends = endHash(source, ports >>> 16, seed) + endHash(destination, ports & 0xffff, seed)
    this.hash = mix((ends + protocol) | 0)
  }

  /**
   * Adds what tells flows apart besides; -1 for what does not.
   *
   * @param iface see `interface`: the number can change as long as no flow has it, so that the hash is of the `index`.
   */
  divide(iface: number, index: number, vlan: number, tunnel: number): void {
    this.#isDivided = true
    this.interface = iface
    this.#vlan = vlan
    this.#tunnel = tunnel | 0
    this.hash = mix((mix(this.hash ^ index) + mix(vlan ^ Math.imul(tunnel, 0x9e3779b1))) | 0)
  }

  /** The slot of the packet's flow, or -1; sets `end`. */
  find(index: FlowIndex, words: Int32Array): number {
    const slot = this.#search(index.places, index.mask, words)
    if (slot >= 0 || index.old.length === 0) return slot
    return this.#search(index.old, index.oldMask, words)
  }

  #search(places: Int32Array, mask: number, words: Int32Array): number {
    const address = this.#address
    const source = address[0] as number
    const destination = address[4] as number
    const ports = this.#ports
    const { hash } = this
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = (places[2 * at + 1] as number) - 1
      if (slot < 0) return -1
      if (places[2 * at] !== hash) continue
      const row = slot * rowWords
      if (words[row + PROTOCOL] !== this.#protocol) continue
      const first = words[row + SOURCE] as number
      const second = words[row + DESTINATION] as number
      if (first === source && second === destination && words[row + PORTS] === ports) {
        if (this.#hasRest(words, row, 0, 4)) {
          this.end = 0
          return slot
        }
      }
      if (first === destination && second === source && words[row + PORTS] === swapped(ports)) {
        if (this.#hasRest(words, row, 4, 0)) {
          this.end = 1
          return slot
        }
      }
    }
  }

  /** Whether the rest of a slot's key is this one's. */
  #hasRest(words: Int32Array, row: number, source: number, destination: number): boolean {
    if (!this.#isFour) {
      const address = this.#address
      for (let i = 1; i < 4; i++) {
        if (words[row + SOURCE + i] !== address[source + i]) return false
        if (words[row + DESTINATION + i] !== address[destination + i]) return false
      }
    }
    if (!this.#isDivided) return true
    if (words[row + INTERFACE] !== this.interface) return false
    return words[row + VLAN] === this.#vlan && words[row + TUNNEL] === this.#tunnel
  }

  /** Writes the key into a slot; sets `end`. `answered`: the packet is the responder's. */
  write(words: Int32Array, slot: number, answered: boolean): void {
    const row = slot * rowWords
    const source = answered ? 4 : 0
    const length = this.#isFour ? 1 : 4
    for (let i = 0; i < length; i++) {
      words[row + SOURCE + i] = this.#address[source + i] as number
      words[row + DESTINATION + i] = this.#address[4 - source + i] as number
    }
    words[row + PORTS] = answered ? swapped(this.#ports) : this.#ports
    words[row + PROTOCOL] = this.#protocol
    words[row + INTERFACE] = this.interface
    words[row + VLAN] = this.#vlan
    words[row + TUNNEL] = this.#tunnel
    this.end = answered ? 1 : 0
  }
}
