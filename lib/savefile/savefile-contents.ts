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

/** What is remembered of the past: of interfaces and sections, those of the present section not counted. */
const maxInterfaces = 4096
const maxSections = 1024
const maxPastBytes = 8 << 20

/**
 * What a savefile says of itself beside its packets, as far as it was read: sections, interfaces, blocks to keep. To be
 * told in the order of the file. Of the past only so much is remembered, whatever the file claims; what packets that are
 * still to be delivered belong to is.
 *
 * @internal
 */
export class SavefileContents {
  readonly #interfaces = new Map<number, SavefileInterface>()
  readonly #sections: SavefileSection[] = []
  readonly #blocks: SavefileBlock[] = []
  /** Of options of the interfaces and sections that are remembered. */
  #pastBytes = 0
  #sectionCount = 0
  #format: 'pcap' | 'pcapng' = 'pcap'

  /** Of the present section. */
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

  addSection(news: NativeFileSection): void {
    this.#format = news.pcapng ? 'pcapng' : 'pcap'
    if (news.fresh) this.#forget()
    this.#sections.push(toSection(news, this.#sectionCount++))
    this.#pastBytes += sizeOf(news.options)
  }

  /** An interface of the present section. */
  addInterface(news: NativeFileInterface): SavefileInterface {
    const iface = toInterface(news, this.#section, this.#format === 'pcapng')
    this.#interfaces.set(iface.index, iface)
    this.#pastBytes += sizeOf(iface.options)
    return iface
  }

  addBlock(news: NativeFileBlock): void {
    this.#blocks.push(toBlock(news, this.#section))
  }

  get #section(): SavefileSection {
    return this.#sections.at(-1) as SavefileSection
  }

  /** All packets of the sections so far were delivered: of these not everything has to be remembered. */
  #forget(): void {
    const enough = () => this.#pastBytes <= maxPastBytes
    for (const [index, iface] of this.#interfaces) {
      if (this.#interfaces.size <= maxInterfaces && enough()) break
      this.#interfaces.delete(index)
      this.#pastBytes -= sizeOf(iface.options)
    }
    // An interface holds its section.
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
