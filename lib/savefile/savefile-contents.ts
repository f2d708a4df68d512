import { nameless } from '../interfaces/nameless.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { NativeFileBlock, NativeFileInterface, NativeFileSection } from './native.js'
import {
  type SavefileBlock,
  type SavefileInterface,
  type SavefileSection,
  toBlock,
  toInterface,
  toSection,
} from './savefile-metadata.js'

/** Limits for what is kept of past sections. */
const maxInterfaces = 4096
const maxSections = 1024
const maxPastBytes = 8 << 20

/**
 * The sections, interfaces and kept blocks of a savefile, as far as it was read. They must be added in the order of the
 * file. What is kept of past sections is limited, whatever the file contains, but never dropped while packets that
 * refer to it are still to be delivered.
 *
 * @internal
 */
export class SavefileContents {
  readonly #interfaces = new Map<number, SavefileInterface>()
  readonly #sections: SavefileSection[] = []
  readonly #blocks: SavefileBlock[] = []
  /** Bytes of the options of all sections and interfaces kept, including those of the present section. */
  #pastBytes = 0
  #sectionCount = 0
  #format: 'pcap' | 'pcapng' = 'pcap'

  /** The format of the present section. */
  get format(): 'pcap' | 'pcapng' {
    return this.#format
  }

  get sections(): readonly SavefileSection[] {
    return [...this.#sections]
  }

  get interfaces(): readonly SavefileInterface[] {
    return [...this.#interfaces.values()]
  }

  get blocks(): readonly SavefileBlock[] {
    return [...this.#blocks]
  }

  /** The interface of a packet. */
  readonly resolve = (index: number): NetworkInterface => this.#interfaces.get(index) ?? nameless(index)

  addSection(added: NativeFileSection): void {
    this.#format = added.pcapng ? 'pcapng' : 'pcap'
    if (added.fresh) this.#forget()
    this.#sections.push(toSection(added, this.#sectionCount++))
    this.#pastBytes += sizeOf(added.options)
  }

  /** Adds an interface of the present section. */
  addInterface(added: NativeFileInterface): SavefileInterface {
    const iface = toInterface(added, this.#section, this.#format === 'pcapng')
    this.#interfaces.set(iface.index, iface)
    this.#pastBytes += sizeOf(iface.options)
    return iface
  }

  addBlock(added: NativeFileBlock): void {
    this.#blocks.push(toBlock(added, this.#section))
  }

  get #section(): SavefileSection {
    return this.#sections.at(-1) as SavefileSection
  }

  /** Drops the oldest interfaces and sections beyond the limits. All packets of past sections have been delivered. */
  #forget(): void {
    const enough = () => this.#pastBytes <= maxPastBytes
    for (const [index, iface] of this.#interfaces) {
      if (this.#interfaces.size <= maxInterfaces && enough()) break
      this.#interfaces.delete(index)
      this.#pastBytes -= sizeOf(iface.options)
    }
    // An interface references its section, so it is dropped with it.
    while (this.#sections.length >= maxSections || (this.#sections.length > 0 && !enough())) {
      const section = this.#sections.shift() as SavefileSection
      this.#pastBytes -= sizeOf(section.options)
      for (const [index, iface] of this.#interfaces) {
        if (iface.section !== section) break
        this.#interfaces.delete(index)
        this.#pastBytes -= sizeOf(iface.options)
      }
    }
  }
}

function sizeOf(options: readonly { value: Uint8Array }[]): number {
  return options.reduce((sum, { value }) => sum + value.length + 100, 0)
}
