import type { NetworkInterface } from './network-interface.js'

interface Entry {
  readonly epoch: number
  /** Packets up to this time are of the entry before, nanoseconds since 1970. */
  readonly since: bigint
  readonly interface: NetworkInterface
}

/** Names of one device kept, and devices kept after they went: chunks that wait need few. */
const maxEntries = 64
const maxGone = 4096

/**
 * Which device an interface index meant at which epoch, and under which name at which time: a packet belongs to the
 * interface as it was when the packet was taken, whatever has happened to it since (native/core/ledger/selection_table.h).
 *
 * @internal
 */
export class InterfaceHistory {
  readonly #byIndex = new Map<number, Entry[]>()
  readonly #gone: number[] = []
  /** When anything was recorded last: packets of later than this need no time to be told apart. */
  latest = 0n

  /** The device that `index` means from this epoch on, for packets later than `since`. */
  record(iface: NetworkInterface, epoch: number, since: bigint): void {
    const entry = { epoch, since, interface: iface }
    const entries = this.#byIndex.get(iface.index)
    if (since > this.latest) this.latest = since
    if (!entries) {
      this.#byIndex.set(iface.index, [entry])
      return
    }
    entries.push(entry)
    if (entries.length > maxEntries) entries.shift()
  }

  /** The device is gone; its last packets may still come. */
  gone(index: number): void {
    this.#gone.push(index)
    if (this.#gone.length <= maxGone) return
    const oldest = this.#gone.shift() as number
    // The index may be in use again, by a device that has not gone.
    if (!this.#gone.includes(oldest)) this.#byIndex.delete(oldest)
  }

  /** Of a packet in a chunk that was taken at this epoch. */
  resolve(index: number, epoch: number, timestamp: bigint): NetworkInterface {
    const entries = this.#byIndex.get(index)
    if (!entries) return nameless(index)
    let at = entries.length - 1
    while (at > 0 && (entries[at] as Entry).epoch > epoch) at--
    for (; at > 0; at--) {
      const entry = entries[at] as Entry
      const before = entries[at - 1] as Entry
      if (timestamp > entry.since || before.interface.generation !== entry.interface.generation) break
    }
    return (entries[at] as Entry).interface
  }
}

/** A device that came and went before anyone could ask the kernel for its name. @internal */
export function nameless(index: number): NetworkInterface {
  return Object.freeze({
    index,
    name: '',
    alternativeNames: Object.freeze([]),
    kind: undefined,
    linkType: undefined,
    hardwareType: 0,
    address: undefined,
    mtu: 0,
    up: false,
    running: false,
    loopback: false,
    promiscuous: false,
    addresses: Object.freeze([]),
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    generation: 0,
  })
}
