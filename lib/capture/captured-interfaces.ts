import type { DebugLog } from '../debug.js'
import { CaptureError } from '../errors.js'
import { toInterfaceEvents } from '../interfaces/interface-event.js'
import type { InterfaceHistory } from '../interfaces/interface-history.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { Selection } from '../interfaces/selection.js'
import type { CaptureInterfaceEvent } from './capture-events.js'
import type { NativeCapture, NativeQueuedEvent } from './native.js'

/** What is told by {@link CapturedInterfaces}. @internal */
export interface CapturedInterfacesWatch {
  /** An interface is captured as it is described here: from now on, or still. */
  learn(iface: NetworkInterface): void
  /** A function among the patterns threw; what it was asked about is not captured. */
  failed(error: CaptureError): void
  /** Each decision, with the pattern that made it. */
  readonly debug: DebugLog
}

/**
 * The interfaces that a capture selects: each is decided on when it appears or has another name, and the native side is
 * told. What it tells in turn has to be applied in its order. Keeps the history for the packets.
 *
 * @internal
 */
export class CapturedInterfaces {
  readonly #native: Pick<NativeCapture, 'decide'>
  readonly #selection: Selection
  readonly #history: InterfaceHistory
  readonly #watch: CapturedInterfacesWatch
  readonly #selected = new Map<number, NetworkInterface>()

  constructor(
    native: Pick<NativeCapture, 'decide'>,
    selection: Selection,
    history: InterfaceHistory,
    watch: CapturedInterfacesWatch,
  ) {
    this.#native = native
    this.#selection = selection
    this.#history = history
    this.#watch = watch
  }

  /** Those that are captured now, by index. */
  get selected(): readonly NetworkInterface[] {
    return [...this.#selected.values()].sort((a, b) => a.index - b.index)
  }

  /**
   * Decides on those that are there at the start.
   *
   * @throws CaptureError `ERR_NO_INTERFACE` where one is missing that was named, or none is selected and none can come;
   * what a function among the patterns throws.
   */
  begin(present: readonly NetworkInterface[]): void {
    const selection = this.#selection
    for (const iface of present) {
      const { selected, text } = selection.decide(iface)
      this.#watch.debug('present: %s', text)
      this.#history.record(iface, 0, 0n)
      if (selected) this.#selected.set(iface.index, iface)
      this.#native.decide(iface.index, iface.generation, 0, selected)
    }
    const missing = selection.names?.filter(
      (name) => !present.some((iface) => iface.name === name || iface.alternativeNames.includes(name)),
    )
    if (missing?.length) {
      throw new CaptureError(
        'ERR_NO_INTERFACE',
        `no interface has the name ${missing.join(', ')}; there are ${present.map((iface) => iface.name).join(', ')}`,
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

  /** Decides on what has changed; returns what there is to tell of it. The decision waits for the native `commit()`. */
  apply({ event: change, epoch, time }: NativeQueuedEvent): CaptureInterfaceEvent[] {
    const { type, interface: iface } = change
    const { index } = iface
    this.#watch.debug('interface %s, index %s: %s', iface.name, index, type)
    let selected = this.#selected.has(index)
    switch (type) {
      case 'removed':
        this.#history.gone(index)
        selected = false
        break
      case 'added':
      case 'renamed':
        this.#history.record(iface, epoch, time)
        if (this.#selection.hotplug) {
          selected = this.#decide(iface)
          this.#native.decide(index, iface.generation, epoch, selected)
        } else if (type === 'added') {
          selected = false
        }
        break
      default:
        this.#history.record(iface, epoch, time)
    }
    if (selected) this.#watch.learn(iface)
    if (selected) this.#selected.set(index, iface)
    else this.#selected.delete(index)
    return toInterfaceEvents(change).map((event) => Object.freeze({ ...event, selected }))
  }

  /** The capture is closed: it has none any more. */
  clear(): void {
    this.#selected.clear()
  }

  #decide(iface: NetworkInterface): boolean {
    try {
      const { selected, text } = this.#selection.decide(iface)
      this.#watch.debug('decided: %s', text)
      return selected
    } catch (error) {
      this.#watch.failed(error as CaptureError)
      return false
    }
  }
}
