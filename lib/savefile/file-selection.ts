import { CaptureError } from '../errors.js'
import { nameHint } from '../interfaces/name-hint.js'
import type { Selection } from '../interfaces/selection.js'
import type { SavefileInterface } from './savefile-metadata.js'

/**
 * Selects the interfaces of one savefile, and records what its reader has to be told: exceptions of functions among the
 * patterns, names that no interface has.
 *
 * @internal
 */
export class FileSelection {
  readonly #selection: Selection | undefined
  #selected = 0
  #missing: readonly string[]
  #failure: { error: unknown } | undefined

  /** Without a selection every interface is selected. */
  constructor(selection: Selection | undefined) {
    this.#selection = selection
    this.#missing = selection?.names ?? []
  }

  /** The first exception of a function among the patterns. */
  get failure(): { error: unknown } | undefined {
    return this.#failure
  }

  /** Whether there is a selection, and no interface so far is in it. */
  get isEmpty(): boolean {
    return this.#selection !== undefined && this.#selected === 0
  }

  /** Whether some of the names in the selection have not occurred so far. */
  get lacksNames(): boolean {
    return this.#missing.length > 0
  }

  /** The verdict on an interface and its reason. An interface for which a function throws is not selected. */
  decide(iface: SavefileInterface): { selected: boolean; text?: string } {
    if (!this.#selection) return { selected: true }
    try {
      const { selected, text } = this.#selection.decide(iface)
      if (selected) {
        this.#selected++
        this.#missing = this.#missing.filter((name) => name !== iface.name)
      }
      return { selected, text }
    } catch (error) {
      this.#failure ??= { error }
      return { selected: false }
    }
  }

  /** The error, or the text of the warning, about what is missing. `label`: the file, to begin the message with. */
  missing(label: string, interfaces: readonly SavefileInterface[]): CaptureError {
    const names = interfaces.map((iface) => iface.name || 'one without a name')
    const what = this.lacksNames ? `no interface has the name ${this.#missing.join(', ')}` : 'none is selected'
    return new CaptureError(
      'ERR_NO_INTERFACE',
      `${label}${what}; the file has ${names.join(', ') || 'no interface'}${nameHint(this.#missing)}`,
      { interface: this.#missing[0] },
    )
  }
}
