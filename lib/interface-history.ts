import type { NetworkInterface } from './network-interface.js'

interface Entry {
  readonly epoch: number
  readonly interface: NetworkInterface
}

/** Names of one device kept, and devices kept after they went: chunks that wait need few. */
const mostEntries = 64
const mostGone = 4096

/**
 * Which device an interface index meant at which epoch: a packet belongs to the interface as it was when the packet was
 * taken, whatever has happened to it since.
 *
 * @internal
 */
export class InterfaceHistory {
  readonly #byIndex = new Map<number, Entry[]>()
  readonly #gone: number[] = []

  /** The device that `index` means from this epoch on. */
  record(iface: NetworkInterface, epoch: number): void {
    const entries = this.#byIndex.get(iface.index)
    if (!entries) {
      this.#byIndex.set(iface.index, [{ epoch, interface: iface }])
      return
    }
    entries.push({ epoch, interface: iface })
    if (entries.length > mostEntries) entries.shift()
  }

  /** The device is gone; its last packets may still come. */
  gone(index: number): void {
    this.#gone.push(index)
    if (this.#gone.length <= mostGone) return
    const oldest = this.#gone.shift() as number
    // The index may be in use again, by a device that has not gone.
    if (!this.#gone.includes(oldest)) this.#byIndex.delete(oldest)
  }

  resolve(index: number, epoch: number): NetworkInterface {
    const entries = this.#byIndex.get(index)
    if (!entries) return nameless(index)
    for (let i = entries.length - 1; i > 0; i--) {
      const entry = entries[i] as Entry
      if (entry.epoch <= epoch) return entry.interface
    }
    return (entries[0] as Entry).interface
  }
}

/** A device that came and went before anyone could ask the kernel for its name. */
function nameless(index: number): NetworkInterface {
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
