import { CaptureError, optionError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { SavefileFormat } from '../native/numbers.js'
import { Chunk } from '../packets/chunk.js'
import type { ChunkMemory } from '../packets/chunk-memory.js'
import { Packet } from '../packets/packet.js'
import { type NativeSavefileBuffer, type NativeSavefileForm, native } from './native.js'
import { maxCaptured } from './savefile-form.js'
import type { SavefileInterface, SavefileSection } from './savefile-metadata.js'

const accepted = 'a chunk, a packet or an iterable of packets'
const acceptedNotBytes = `${accepted}: the packet itself, not packet.data, for bytes have no time and no interface`

/** Encodes packets as a savefile, and describes each of their interfaces once. @internal */
export class PacketEncoder {
  /** Holds the encoded bytes. */
  readonly native: NativeSavefileBuffer
  readonly #filter: string | undefined
  readonly #pcapng: boolean
  readonly #ids = new Map<string, number>()
  readonly #known = new WeakMap<NetworkInterface, Map<number | undefined, number>>()
  /** Of each section of a file: how many of its interfaces have the same description so far. */
  readonly #equal = new WeakMap<SavefileSection, Map<string, number>>()

  constructor(form: NativeSavefileForm, filter: string | undefined) {
    this.native = new (native().SavefileBuffer)(form)
    this.#filter = filter
    this.#pcapng = form.format === SavefileFormat.PCAPNG
  }

  /**
   * Encodes a chunk, a packet, or several packets, which are copied.
   *
   * @throws CaptureError `ERR_OPTION`: not packets, or, in pcap, packets whose link type is not that of the first one
   *   (those before are encoded); `ERR_RELEASED`.
   */
  append(packets: Chunk | Packet | Iterable<Packet>, comments: readonly string[] | undefined): void {
    if (packets instanceof Chunk) this.#appendRun(packets._memory(), packets._entries(), packets, comments)
    else this.#appendPackets(packets instanceof Packet ? [packets] : packets, comments)
  }

  /** Ends the file. The times are those of its first and last packet. */
  end(firstTimestamp: bigint, lastTimestamp: bigint): void {
    if (this.#pcapng) {
      for (const id of this.#ids.values()) this.native.statistics(id, firstTimestamp, lastTimestamp, undefined)
    }
    this.native.end()
  }

  #appendPackets(packets: Iterable<Packet>, comments: readonly string[] | undefined): void {
    if (ArrayBuffer.isView(packets)) throw optionError('packets', acceptedNotBytes, packets)
    if (typeof packets?.[Symbol.iterator] !== 'function' || typeof packets === 'string') {
      throw optionError('packets', accepted, packets)
    }
    // Consecutive packets of the same chunk are passed to the addon in one call.
    let memory: ChunkMemory | undefined
    let run: Packet[] = []
    const end = () => {
      if (memory)
        this.#appendRun(
          memory,
          Uint32Array.from(run, (packet) => packet._entry),
          run,
          comments,
        )
      run = []
    }
    for (const packet of packets) {
      if (!(packet instanceof Packet))
        throw optionError('packets', ArrayBuffer.isView(packet) ? acceptedNotBytes : accepted, packet)
      if (packet._memory !== memory) {
        end()
        memory = packet._memory
      }
      run.push(packet)
    }
    end()
  }

  #appendRun(
    memory: ChunkMemory,
    entries: Uint32Array,
    packets: Iterable<Packet>,
    comments: readonly string[] | undefined,
  ): void {
    if (memory.released) {
      throw new CaptureError('ERR_RELEASED', 'the chunk was released; to keep packets, copy() or retain() them before')
    }
    const ids = new Uint32Array(entries.length)
    const visit = (packet: Packet, index: number) => {
      ids[index] = this.#idOf(packet)
    }
    if (packets instanceof Chunk) packets.forEach(visit)
    else (packets as Packet[]).forEach(visit)
    const written = this.native.append(memory.u8, entries, ids, comments)
    if (written === entries.length) return
    throw new CaptureError(
      'ERR_OPTION',
      `a pcap file has packets of one link type, ${this.native.linkType()} here; write pcapng, or a file for each link type`,
    )
  }

  #idOf(packet: Packet): number {
    const iface = packet.interface
    const { linkType } = packet
    const known = this.#known.get(iface)?.get(linkType)
    if (known !== undefined) return known
    const key = isFromFile(iface)
      ? this.#keyOf(iface, linkType)
      : JSON.stringify([iface.index, iface.generation, iface.name, linkType, iface.address, iface.kind])
    let id = this.#ids.get(key)
    if (id === undefined) {
      id = this.native.addInterface({
        name: iface.name,
        description: iface.kind,
        linkType,
        hardwareType: iface.hardwareType,
        snapLength: maxCaptured,
        address: Buffer.from(iface.address?.replaceAll(':', '') ?? '', 'hex'),
        addresses: iface.addresses,
        filter: this.#filter,
      })
      this.#ids.set(key, id)
    }
    const ids = this.#known.get(iface) ?? new Map<number | undefined, number>()
    this.#known.set(iface, ids.set(linkType, id))
    return id
  }

  /**
   * The key of an interface that a file describes: all that is written of it, for its number differs from file to file.
   * Interfaces of one section stay as many as they are, though nothing may tell them apart.
   */
  #keyOf(iface: SavefileInterface, linkType: number | undefined): string {
    const { section, name, hardwareType, address, addresses } = iface
    const description = JSON.stringify([name, linkType, hardwareType, address, addresses])
    const equal = this.#equal.get(section) ?? new Map<string, number>()
    const before = equal.get(description) ?? 0
    this.#equal.set(section, equal.set(description, before + 1))
    return `file ${before} ${description}`
  }
}

function isFromFile(iface: NetworkInterface): iface is SavefileInterface {
  return 'section' in iface
}
