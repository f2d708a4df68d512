import type { DebugLog } from '../debug.js'
import { CaptureError } from '../errors.js'
import { toInterfaceEvents } from '../interfaces/interface-event.js'
import { nameHint } from '../interfaces/name-hint.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { Selection } from '../interfaces/selection.js'
import type { CaptureInterfaceEvent } from './capture-events.js'
import type { NativeCapture, NativeInitialInterface, NativeQueuedEvent } from './native.js'

/** What libpcap calls `any`. */
const everyInterface =
  '; to capture on every one but loopback, leave `interfaces` out, or write { hotplug: true } for those that come ' +
  'later too; { loopback: true } adds loopback'

/** Called by {@link CapturedInterfaces}. @internal */
export interface CapturedInterfacesListener {
  /** Called when an interface is captured, newly or still after a change, with its present description. */
  learn(iface: NetworkInterface): void
  /** Called when a function among the patterns threw; the interface is not captured. */
  failed(error: CaptureError): void
  /** Called when the last captured interface is removed, and none can be captured any more. */
  ended(warning: CaptureError): void
  /** Gets a line for each decision, with the pattern that made it. */
  readonly debug: DebugLog
}

/**
 * The interfaces that a capture selects, as of the last event taken. If the selection contains a RegExp or a function,
 * this class decides on each interface that appears or is renamed, and gives the verdict to the native code; otherwise
 * the verdict comes with the event. Events must be applied in order.
 *
 * @internal
 */
export class CapturedInterfaces {
  readonly #native: Pick<NativeCapture, 'decide'>
  readonly #selection: Selection
  readonly #listener: CapturedInterfacesListener
  /** By {@link keyOf}. */
  readonly #selected = new Map<string, NetworkInterface>()

  constructor(native: Pick<NativeCapture, 'decide'>, selection: Selection, listener: CapturedInterfacesListener) {
    this.#native = native
    this.#selection = selection
    this.#listener = listener
  }

  /** The interfaces captured now, by index. */
  get selected(): readonly NetworkInterface[] {
    return [...this.#selected.values()].sort((a, b) => a.index - b.index)
  }

  /**
   * Decides on the interfaces present at the start.
   *
   * @throws CaptureError `ERR_NO_INTERFACE` if an interface selected by name is missing, or if none is selected and
   *   `hotplug` is off; `ERR_PATTERN` if a function among the patterns throws.
   */
  begin(initial: readonly NativeInitialInterface[]): void {
    const selection = this.#selection
    for (const { interface: iface, selected: verdict } of initial) {
      let selected = verdict
      if (selected === undefined || this.#listener.debug.enabled) {
        const explanation = selection.decide(iface)
        this.#listener.debug('present: %s', explanation.text)
        selected ??= this.#answer(iface, 0, explanation.selected)
      }
      if (selected) this.#selected.set(keyOf(iface), iface)
    }
    const present = initial.map((one) => one.interface)
    const missing = selection.names?.filter(
      (name) => !present.some((iface) => iface.name === name || iface.alternativeNames.includes(name)),
    )
    if (missing?.length) {
      throw new CaptureError(
        'ERR_NO_INTERFACE',
        `no interface has the name ${missing.join(', ')}; there are ${present.map((iface) => iface.name).join(', ')}` +
          (missing.includes('any') ? everyInterface : nameHint(missing)),
        { interface: missing[0] },
      )
    }
    if (this.#selected.size === 0 && !selection.hotplug) {
      throw new CaptureError(
        'ERR_NO_INTERFACE',
        `no interface is selected, and hotplug is off; ${present.map((iface) => selection.decide(iface).text).join('; ')}`,
      )
    }
  }

  /** Applies an event and returns the events to emit. Verdicts take effect with the native `commit()`. */
  apply({ event: change, epoch, selected: verdict }: NativeQueuedEvent): CaptureInterfaceEvent[] {
    const { type, interface: iface } = change
    const key = keyOf(iface)
    this.#listener.debug('interface %s, index %s: %s', iface.name, iface.index, type)
    let selected = this.#selected.has(key)
    if (type === 'removed') selected = false
    else if (verdict !== undefined) {
      selected = verdict
      if (this.#listener.debug.enabled && this.#selection.follows) {
        this.#listener.debug('decided: %s', this.#selection.decide(iface).text)
      }
    } else if (this.#selection.follows && (type === 'added' || type === 'renamed')) {
      selected = this.#answer(iface, epoch, this.#decide(iface))
    }
    if (selected) this.#listener.learn(iface)
    if (selected) this.#selected.set(key, iface)
    else if (this.#selected.delete(key)) this.#lookForEnd(iface)
    return toInterfaceEvents(change).map((event) => Object.freeze({ ...event, selected }))
  }

  /** `gone`: the interface that is not captured any longer. */
  #lookForEnd(gone: NetworkInterface): void {
    if (this.#selected.size > 0 || this.#selection.follows) return
    const text = `${gone.name} was removed, and nothing is captured any more: hotplug is off`
    this.#listener.ended(new CaptureError('ERR_NO_INTERFACE', text, { interface: gone.name }))
  }

  /** Empties the selection when the capture is closed. */
  clear(): void {
    this.#selected.clear()
  }

  #answer(iface: NetworkInterface, epoch: number, selected: boolean): boolean {
    this.#native.decide(iface.index, iface.generation, epoch, selected)
    return selected
  }

  #decide(iface: NetworkInterface): boolean {
    try {
      const { selected, text } = this.#selection.decide(iface)
      this.#listener.debug('decided: %s', text)
      return selected
    } catch (error) {
      this.#listener.failed(error as CaptureError)
      return false
    }
  }
}

/** Identifies a device: the kernel uses an index again. */
function keyOf({ index, generation }: NetworkInterface): string {
  return `${index} ${generation}`
}
