import {
  abortReason,
  checkBoolean,
  checkCount,
  checkGroup,
  checkNetns,
  checkSignal,
  orElse,
  throwIfAborted,
} from '../arguments.js'
import { explainOpening } from '../permission.js'
import { difference, type InterfaceEvent, toInterfaceEvents } from './interface-event.js'
import { linksNative, type NativeInterfaceWatch } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/** Options of {@link watchInterfaces}. */
export interface WatchInterfacesOptions {
  /** Aborting it closes the watcher; the iteration rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /**
   * Whether to begin with an `added` event for each interface that exists already. They are in `interfaces` in any
   * case. Default false.
   */
  initial?: boolean | undefined
  /**
   * Events that may wait for the consumer, 1 to 16777216. If more come, they are replaced by the events that lead from
   * the state that the consumer has seen to the present one: the result is the same, but what came and went in the
   * meantime is not reported. So a consumer that is slow, or does not iterate, costs a bounded amount of memory.
   * Default 65536.
   */
  maxQueue?: number | undefined
  /**
   * Path of a network namespace, such as `/run/netns/blue`; needs CAP_SYS_ADMIN. Default: the one of this process. An
   * open watcher keeps the namespace alive, and has no event for its deletion.
   */
  netns?: string | undefined
  /**
   * Bytes of events that the kernel may hold for the watcher.
   *
   * @internal
   */
  receiveBuffer?: number | undefined
}

/**
 * The changes of the network interfaces as they happen, see {@link watchInterfaces}.
 *
 * There is one sequence of events: several iterations at the same time share it, and each event goes to one of them.
 * Leaving a `for await` loop closes the watcher.
 *
 * An open watcher keeps the process alive only while an iteration waits for an event. A watcher that is no longer
 * referenced is closed when it is garbage-collected.
 */
export interface InterfaceWatcher extends AsyncIterable<InterfaceEvent>, AsyncDisposable {
  /**
   * The interfaces, by index, as of the last event delivered (before the first event: as of the start), so that list
   * and events fit together without a gap. A new array each time. For the present state use {@link listInterfaces}.
   */
  readonly interfaces: NetworkInterface[]

  /**
   * The events. Rejects with the reason of an aborted signal, and with a `CaptureError` if the kernel fails; after
   * that, and after `close()`, the iteration is done.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<InterfaceEvent, undefined>

  /**
   * Ends the watch: events that are not yet delivered are dropped, and waiting iterations end. Legal any number of
   * times. Resolves when the watcher's thread has ended and its descriptors are closed.
   */
  close(): Promise<void>

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Watches the network interfaces of this process's network namespace (which needs no privilege), or of another one.
 *
 * The call itself is synchronous: it reads the present interfaces, and may wait for the kernel's RTNL lock as
 * {@link listInterfaces} does. The events are read on a thread of its own.
 *
 * The kernel does not report alternative names given to an interface that is down, and not where the other end of a
 * veth moves once it is in another namespace: such changes are seen with the next event of the same interface.
 *
 * ```ts
 * await using watcher = watchInterfaces()
 * console.log(watcher.interfaces.map(({ name }) => name))
 * for await (const { type, interface: { name } } of watcher) console.log(type, name)
 * ```
 *
 * @throws CaptureError `ERR_OPTION` for a wrong argument; `ERR_PERMISSION` or `ERR_SYSTEM` if the kernel refuses;
 *   `ERR_NATIVE_UNAVAILABLE` on platforms without the addon. The reason of an aborted signal is thrown unchanged.
 */
export function watchInterfaces(options?: WatchInterfacesOptions): InterfaceWatcher {
  return new Watcher(normalise(options))
}

interface Settings {
  signal: AbortSignal | undefined
  initial: boolean
  maxQueue: number
  receiveBuffer: number
  netns: string | undefined
}

const maxMaxQueue = 2 ** 24
const maxReceiveBuffer = 2 ** 30
// Events converted to JavaScript objects at a time; the others stay in the native queue, which `maxQueue` limits.
const batchSize = 256

function normalise(given: WatchInterfacesOptions | undefined): Settings {
  const options = checkGroup(
    given,
    'options',
    ['signal', 'initial', 'maxQueue', 'netns', 'receiveBuffer'],
    (option, known) =>
      `watchInterfaces() has no option "${option.slice('options.'.length)}"; it takes ${known.slice(0, -1).join(', ')}`,
  )
  return {
    signal: checkSignal(options.signal, 'options.signal'),
    initial: checkBoolean(orElse(options.initial, false), 'options.initial'),
    maxQueue: checkCount(orElse(options.maxQueue, 65536), 'options.maxQueue', 1, maxMaxQueue),
    receiveBuffer: checkCount(orElse(options.receiveBuffer, 0), 'options.receiveBuffer', 0, maxReceiveBuffer),
    netns: checkNetns(options.netns, 'options.netns'),
  }
}

// The addon references its callback, and through it the link; the link references the watcher only while an iteration
// waits. A watcher that is no longer referenced can therefore be garbage-collected.
interface Link {
  serve?: () => void
}

// A separate function, because a closure created in the constructor would reference the watcher through its scope.
function callThrough(link: Link): () => void {
  return () => link.serve?.()
}

interface Waiter {
  resolve(result: IteratorResult<InterfaceEvent, undefined>): void
  reject(reason: unknown): void
}

class Watcher implements InterfaceWatcher {
  readonly #watch: NativeInterfaceWatch
  readonly #link: Link = {}
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void
  // The state that the consumer has seen: the interfaces at the start, with every event delivered since. By index: the
  // events are in order, so that a device is removed before another one gets its index.
  readonly #delivered = new Map<number, NetworkInterface>()
  readonly #waiters: Waiter[] = []
  #batch: InterfaceEvent[] = []
  #batchAt = 0
  #failure: { reason: unknown } | undefined
  #closing: Promise<void> | undefined

  constructor({ signal, initial, maxQueue, receiveBuffer, netns }: Settings) {
    throwIfAborted(signal)
    try {
      this.#watch = new (linksNative().InterfaceWatch)(receiveBuffer, maxQueue, callThrough(this.#link), netns)
    } catch (error) {
      throw explainOpening(error)
    }
    for (const one of this.#watch.interfaces()) this.#delivered.set(one.index, one)
    if (initial) this.#batch = difference([], this.#delivered.values())

    this.#signal = signal
    this.#onAbort = () => this.#fail(abortReason(signal))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get interfaces(): NetworkInterface[] {
    return [...this.#delivered.values()].sort((a, b) => a.index - b.index)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<InterfaceEvent, undefined> {
    const iterator: AsyncIterableIterator<InterfaceEvent, undefined> = {
      next: () => this.#next(),
      return: async () => {
        await this.close()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  close(): Promise<void> {
    if (!this.#closing) {
      this.#signal?.removeEventListener('abort', this.#onAbort)
      this.#closing = this.#watch.close()
      this.#batch = []
      this.#batchAt = 0
      delete this.#link.serve
      for (const { resolve } of this.#waiters.splice(0)) resolve({ done: true, value: undefined })
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #next(): Promise<IteratorResult<InterfaceEvent, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#serve()
    })
  }

  /** Delivers available events to the waiters. If waiters remain, it is called again when more events are queued. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      if (this.#failure) {
        const { reason } = this.#failure
        this.#failure = undefined
        this.#waiters.shift()?.reject(reason)
        continue
      }
      if (this.#closing) {
        this.#waiters.shift()?.resolve({ done: true, value: undefined })
        continue
      }
      const event = this.#take()
      if (event) this.#waiters.shift()?.resolve({ done: false, value: event })
      else break
    }
    this.#hold(this.#waiters.length > 0)
  }

  #take(): InterfaceEvent | undefined {
    while (this.#batchAt >= this.#batch.length) {
      this.#batchAt = 0
      this.#batch = []
      const taken = this.#watch.take(batchSize)
      if (!taken) return undefined
      if (taken.error) {
        this.#fail(taken.error)
        return undefined
      }
      this.#batch = taken.resync
        ? difference(this.#delivered.values(), taken.resync)
        : taken.events.flatMap(toInterfaceEvents)
    }
    const event = this.#batch[this.#batchAt++]
    if (event?.type === 'removed') this.#delivered.delete(event.interface.index)
    else if (event) this.#delivered.set(event.interface.index, event.interface)
    return event
  }

  /** Rejects the first waiter, or the next one if there is none, with the reason; ends the iteration of all others. */
  #fail(reason: unknown): void {
    if (this.#closing) return
    const first = this.#waiters.shift()
    if (first) first.reject(reason)
    else this.#failure = { reason }
    // Not awaited: close() of the addon does not reject.
    void this.close()
  }

  /** While an iteration waits, keeps the event loop alive and this watcher referenced. */
  #hold(waiting: boolean): void {
    if (this.#closing || waiting === (this.#link.serve !== undefined)) return
    if (waiting) {
      this.#link.serve = () => this.#serve()
      this.#watch.ref()
    } else {
      delete this.#link.serve
      this.#watch.unref()
    }
  }
}
