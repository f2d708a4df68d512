import { CaptureError } from '../errors.js'
import { nameHint } from '../interfaces/name-hint.js'
import type { Selection } from '../interfaces/selection.js'
import type { NativeConvertQuestion } from './native.js'
import { toInterface, toSection } from './savefile-metadata.js'

/** Maximum number of names listed in the error if no interface is selected. */
const maxShown = 20

/**
 * Decides for each interface of the inputs whether its packets are taken.
 *
 * @internal
 */
export class InterfaceJudge {
  readonly #selection: Selection
  readonly #missing: Set<string>
  readonly #seen = new Set<string>()
  #more = false

  constructor(selection: Selection) {
    this.#selection = selection
    this.#missing = new Set(selection.names)
  }

  /** @throws CaptureError `ERR_PATTERN` from a user's function. */
  decide({ section, number, interface: told }: NativeConvertQuestion): boolean {
    const iface = toInterface(told, toSection(section, number), section.pcapng)
    if (this.#seen.size < maxShown) this.#seen.add(iface.name || 'one without a name')
    else this.#more ||= !this.#seen.has(iface.name)
    const { selected } = this.#selection.decide(iface)
    if (selected) this.#missing.delete(iface.name)
    return selected
  }

  /** The error for a conversion in which no interface was selected. */
  nothing(): CaptureError {
    const [missing] = this.#missing
    const what = this.#missing.size > 0 ? `no interface has the name ${this.#names()}` : 'no interface is selected'
    const seen = [...this.#seen].join(', ') || 'no interface'
    const more = `${this.#more ? ' and more' : ''}${nameHint([...this.#missing])}`
    return new CaptureError('ERR_NO_INTERFACE', `${what}; the inputs have ${seen}${more}`, { interface: missing })
  }

  /** The warnings, once all inputs were read. */
  warnings(): string[] {
    if (this.#missing.size === 0) return [...this.#selection.warnings]
    return [...this.#selection.warnings, `no interface of the inputs has the name ${this.#names()}`]
  }

  #names(): string {
    return [...this.#missing].join(', ')
  }
}
