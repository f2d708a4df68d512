import { EventEmitter } from 'node:events'
import { abortReason, throwIfAborted } from '../arguments.js'
import { type DebugLog, debugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import type { HostSets } from '../filter/address-sets.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import type { Chunk } from '../packets/chunk.js'
import { IterationPacer, iterateChunks } from '../packets/chunk-iteration.js'
import type { Packet } from '../packets/packet.js'
import { explainOpening, explainRunning } from '../permission.js'
import type { RecordOptions } from '../record/record-options.js'
import { Recorder } from '../record/recorder.js'
import type { Recording } from '../record/recording.js'
import { ActiveFilter } from './active-filter.js'
import type { CaptureEvents, CaptureInterfaceEvent } from './capture-events.js'
import { CaptureLedger } from './capture-ledger.js'
import { type CaptureOptions, normaliseOptions, type OpeningOptions } from './capture-options.js'
import type { CaptureStats } from './capture-stats.js'
import { CapturedInterfaces } from './captured-interfaces.js'
import { ChunkIntake, EMPTY } from './chunk-intake.js'
import { HardwareTimestampCheck } from './hardware-timestamps.js'
import { type NativeCapture, native } from './native.js'
import { NetnsWatch } from './netns-watch.js'
import { ringWarnings } from './ring-warnings.js'

/** A stop that was requested. */
interface Stopping {
  readonly promise: Promise<CaptureStats>
  readonly resolve: (stats: CaptureStats) => void
  /** Whether every packet received before the stop is in the queue. */
  ended: boolean
}

/** Milliseconds between two calls of `#look()`. */
const lookPeriod = 1000

/**
 * A running packet capture.
 *
 * ```ts
 * await using capture = await Capture.open({ interfaces: { include: '^eth', hotplug: true }, filter: 'not port 22' })
 * for await (const chunk of capture) console.log(chunk.packetCount)
 * ```
 *
 * An open capture keeps the process running, as an open server does. Several iterations at the same time share the
 * chunks: each chunk goes to one of them.
 */
export class Capture extends EventEmitter<CaptureEvents> implements AsyncIterable<Chunk>, AsyncDisposable {
  readonly #native: NativeCapture
  readonly #options: OpeningOptions
  readonly #ledger: CaptureLedger
  #lookTimer: NodeJS.Timeout | undefined
  readonly #netns: NetnsWatch | undefined
  readonly #hardwareTimestamps: HardwareTimestampCheck | undefined
  readonly #interfaces: CapturedInterfaces
  readonly #intake: ChunkIntake
  readonly #pacer = new IterationPacer()
  readonly #filter: ActiveFilter
  readonly #recorder: Recorder
  readonly #debug: DebugLog
  #stopping: Stopping | undefined
  #closing: Promise<void> | undefined
  #aborted: { reason: unknown } | undefined
  /** Number of iterations in progress. */
  #listening = 0

  /**
   * Opens a capture and starts to receive.
   *
   * @param options All are optional. Default: every interface that is present now, except loopback, without a filter.
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, `ERR_PATTERN`, `ERR_FILTER_SYNTAX`,
   *   `ERR_FILTER_TOO_LARGE`, `ERR_NO_INTERFACE` (nothing is selected, and `hotplug` is off), `ERR_PERMISSION` (the
   *   message names the missing capability and how to grant it), `ERR_NATIVE_UNAVAILABLE`, `ERR_SYSTEM`. The reason of
   *   an aborted signal is thrown unchanged.
   */
  static async open(options?: CaptureOptions): Promise<Capture> {
    const checked = normaliseOptions(options)
    const { signal } = checked
    const normalised = { ...checked, selection: await checked.selection.compile() }
    throwIfAborted(signal)
    const debug = debugLog('capture')
    debug('opening with %s', normalised.native)
    let wake = () => {}
    let handle: NativeCapture
    try {
      handle = await native().openCapture(normalised.native, normalised.selection.native, () => wake())
    } catch (error) {
      debug('not opened: %s', (error as Error).message)
      throw explainOpening(error)
    }
    try {
      throwIfAborted(signal)
      const capture = new Capture(construction, handle, normalised, debug)
      wake = () => capture.#wake()
      await capture.#start()
      return capture
    } catch (error) {
      debug('not started: %s', (error as Error)?.message)
      wake = () => {} // the closed handle would refuse its calls
      await handle.close()
      throw explainOpening(error)
    }
  }

  private constructor(by: typeof construction, handle: NativeCapture, options: OpeningOptions, debug: DebugLog) {
    super()
    if (by !== construction) throw notConstructible('Capture', 'use Capture.open()')
    this.#debug = debug
    this.#native = handle
    this.#options = options
    this.#filter = new ActiveFilter(handle, options.native, {
      closed: () => this.#closing !== undefined,
      interfaces: () => this.interfaces,
      warn: (warning) => this.#warnLater(warning),
      debug,
    })
    this.#interfaces = new CapturedInterfaces(handle, options.selection, {
      learn: (iface) => {
        this.#filter.learn(iface)
        this.#hardwareTimestamps?.learn(iface)
      },
      failed: (error) => this.#fail(error),
      ended: (warning) => this.#warnLater(warning),
      debug,
    })
    this.#recorder = new Recorder(handle, {
      interfaces: () => this.interfaces,
      filter: () => this.#filter.expression,
      ended: () => this.#closing !== undefined || this.#stopping !== undefined,
      closed: () => this.#closing,
      warn: (warning) => this.#warn(warning),
    })
    if (options.native.hardwareTimestamps) {
      this.#hardwareTimestamps = new HardwareTimestampCheck(
        handle,
        () => this.#closing !== undefined,
        (warning) => this.#warn(warning),
      )
    }
    const { netns } = options.native
    if (netns !== undefined && handle.netns)
      this.#netns = new NetnsWatch(netns, handle.netns, (warning) => {
        if (!this.#closing) this.#warn(warning)
      })
    this.#ledger = new CaptureLedger(handle, options, {
      closed: () => this.#closing !== undefined,
      loss: (event) => emitSafely(this, 'loss', event),
      debug,
    })
    this.#intake = new ChunkIntake(handle, () => this.#takeEvents())
  }

  async #start(): Promise<void> {
    const { selection, signal, native: settings } = this.#options
    this.#interfaces.begin(this.#native.interfaces())
    await this.#native.start()
    throwIfAborted(signal)
    if (this.#debug.enabled) this.#debug('open: %s', this.stats().ring)
    // The last step that can fail: a signal of the caller's own making may throw.
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#ledger.begin()
    this.#lookTimer = setInterval(() => this.#look(), lookPeriod).unref()
    // Deferred, so that the caller can add listeners first.
    setImmediate(() => {
      this.#wake() // for events that arrived during the start
      for (const text of selection.warnings) this.#warn(new CaptureError('ERR_OPTION', text))
      this.#filter.begin()
      for (const iface of this.interfaces) this.#hardwareTimestamps?.learn(iface)
      for (const warning of ringWarnings(settings, this.stats().ring)) this.#warn(warning)
    })
  }

  /** The interfaces that are captured now, by index. */
  get interfaces(): readonly NetworkInterface[] {
    return this.#interfaces.selected
  }

  /**
   * The ledger: what became of every packet. After `close()` it stays as it was last.
   *
   * Synchronous; takes some microseconds for each interface of the namespace, and waits for no lock of the kernel.
   * {@link InterfaceStats.device} may be up to a second old for hardware, whose counters the kernel reports only under
   * its RTNL lock; they are up to date in what {@link stop} returns.
   */
  stats(): CaptureStats {
    return this.#ledger.stats()
  }

  /** Looks at what the kernel does not announce. */
  #look(): void {
    void this.#ledger.readLosses()
    void this.#netns?.look()
  }

  /**
   * Iterates over the chunks. A chunk is released when the loop takes the next one, or ends; to keep one, use
   * {@link Chunk.retain}. The loop ends after {@link stop}, when all packets received before it are delivered, and at
   * once after {@link close}. Leaving the loop does not end the capture.
   *
   * @throws The reason of an aborted `signal`, unchanged.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Chunk> {
    return iterateChunks({
      next: (ended) => this.#next(ended),
      wake: () => this.#pacer.wake(),
      use: (used) => {
        this.#listening += used ? 1 : -1
        if (!this.#closing) this.#native.listen(this.#listening > 0)
      },
    })
  }

  /**
   * Iterates over the packets, for convenience: much slower than chunks. A packet is valid until the loop takes the
   * first packet of the next chunk; to keep one, use {@link Packet.copy}.
   */
  async *packets(): AsyncGenerator<Packet, void, undefined> {
    for await (const chunk of this) yield* chunk
  }

  /**
   * Replaces the filter while the capture runs. The address sets stay ({@link setHosts}). No packet that both filters
   * accept is lost, and after the promise has resolved every chunk contains only what the new filter accepts.
   *
   * It takes a moment: the expression is compiled off the event loop, and packets from before the change are delivered
   * under the old filter as long as an iteration takes them in time. Packets that are not taken within some 100 ms have
   * to pass the new filter too, so that a loop may await this call in its body.
   *
   * If the process has given up privileges since it opened the capture, filters can still be changed. Without CAP_BPF
   * the kernel's filter takes its classic form, with a `warning` ({@link CaptureStats.ring} `table`), unless
   * `ring.table` is `'ebpf'` or the capture has `dedupe`: then the change is refused. A filter with `vlan`, `inbound`,
   * `outbound` or `ifindex` is refused without CAP_NET_RAW, because libpcap compiles it with a packet socket, and with
   * `netns` without CAP_SYS_ADMIN.
   *
   * @param expression A pcap-filter(7) expression; `undefined`: no filter.
   * @throws CaptureError (the promise rejects, and the old filter stays) `ERR_OPTION`, `ERR_FILTER_SYNTAX`,
   *   `ERR_FILTER_TOO_LARGE`, `ERR_CLOSED`, `ERR_PERMISSION` (the message names the missing capability and how to keep
   *   it), `ERR_SYSTEM`.
   */
  setFilter(expression: string | undefined): Promise<void> {
    return this.#filter.replace(expression)
  }

  /**
   * Replaces the address sets ({@link CaptureOptions.excludeHosts}, {@link CaptureOptions.includeHosts}) while the
   * capture runs, both in one step if both are given; one that is not given is kept.
   *
   * As with {@link setFilter}, no packet that passes the old sets and the new ones is lost, after the promise has
   * resolved every chunk contains only what passes the new ones, and packets from before the change are delivered under
   * the old ones as long as an iteration takes them in time. The lists are copied at the call.
   *
   * If the process has given up CAP_BPF since it opened the capture, the same holds as for {@link setFilter}, and the
   * sets must fit into a classic filter program.
   *
   * @throws CaptureError (the promise rejects, and the old sets stay) `ERR_OPTION`, naming the entry and its position;
   *   `ERR_FILTER_TOO_LARGE`, saying how many fit; `ERR_CLOSED`; `ERR_PERMISSION`, naming the missing capability and how
   *   to keep it; `ERR_SYSTEM`.
   */
  setHosts(hosts: HostSets): Promise<void> {
    return this.#filter.replaceAddresses(hosts)
  }

  /**
   * Records what the capture selects into files, in native code: the packets do not pass through JavaScript, and a
   * separate thread waits for the disk. One recording at a time.
   *
   * Iterations see the same packets at the same time. While a recording runs, packets wait for JavaScript only as long
   * as an iteration is in progress: a capture that is recorded and not read needs no memory for that, and packets from
   * before, which nobody reads, make room for the recording (`stats().droppedByOverflow`). If the disk is
   * slower than the traffic, the recording loses packets once ring and overflow memory are used up, and JavaScript
   * none. They are counted (`stats().droppedByRecorder`, `Recording.stats().dropped`).
   *
   * ```ts
   * const recording = await capture.record({ path: '/var/tmp/trace.pcapng', rotate: { size: 1e8 }, files: 10 })
   * recording.on('file', ({ path, packets }) => console.log(path, packets))
   * ```
   *
   * A pcapng file describes each interface that it has packets of, with the filter that was in force, and again after a
   * rename. It ends with statistics for each interface: the packets in the file, and those lost since the previous file
   * (the kernel reports the ring's losses per interface only with CAP_BPF; without it their sum is in a comment). A
   * pcap file has one link type, that of the selected interfaces: if they differ the recording is refused, and packets
   * of interfaces that appear later with another link type are counted (`Recording.stats().otherLinkType`) and reported
   * by a `warning`.
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, also while another recording runs; `ERR_CLOSED`;
   *   `ERR_PERMISSION` or `ERR_SYSTEM` if the first file cannot be created.
   */
  record(options: RecordOptions): Promise<Recording> {
    return this.#recorder.record(options)
  }

  /**
   * Stops receiving: iterations end after the last packet that was received before this call.
   *
   * @returns The ledger once the ring has handed over everything, which takes about `chunk.maxDelay`. Packets that
   *   JavaScript has not taken yet are counted as `queued`.
   */
  async stop(): Promise<CaptureStats> {
    if (this.#closing) {
      await this.#closing
      return this.stats()
    }
    if (!this.#stopping) {
      let resolve: (stats: CaptureStats) => void = () => {}
      const promise = new Promise<CaptureStats>((done) => {
        resolve = done
      })
      this.#stopping = { promise, resolve, ended: false }
      this.#debug('stopping')
      this.#native.stop()
    }
    return this.#stopping.promise
  }

  /**
   * Closes the capture: chunks that are lent out are released, waiting packets are dropped, iterations end, and what
   * waits for a recording is written. Resolves when its threads have ended and its descriptors are closed. Legal in any
   * state, any number of times; never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#lookTimer)
    this.#ledger.end()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const closed = this.#native.close()
    this.#pacer.wake()
    await closed
    this.#recorder.look()
    this.#interfaces.clear()
    this.#stopping?.resolve(this.stats())
    if (this.#debug.enabled) this.#debug('closed: %s', this.#ledger.totals())
    emitSafely(this, 'close')
  }

  readonly #onAbort = (): void => {
    this.#aborted = { reason: abortReason(this.#options.signal) }
    void this.close()
  }

  /** The next chunk, or `undefined` if no more chunks follow, or the iteration has ended. */
  async #next(ended: () => boolean): Promise<Chunk | undefined> {
    for (;;) {
      if (this.#aborted) throw this.#aborted.reason
      if (this.#closing || ended()) return undefined
      const due = this.#pacer.yieldIfDue()
      if (due) {
        await due
        continue
      }
      const chunk = this.#intake.next()
      if (chunk !== EMPTY) return chunk
      await this.#pacer.wait()
    }
  }

  #wake(): void {
    if (this.#closing) return
    this.#takeEvents()
    this.#recorder.look()
    this.#pacer.wake()
    if (this.#stopping && this.#native.intakeEnded()) {
      this.#ledger.lookForLoss()
      if (!this.#stopping.ended) void this.#endStop(this.#stopping)
    }
  }

  async #endStop(stopping: Stopping): Promise<void> {
    stopping.ended = true
    await this.#ledger.refreshLosses()
    stopping.resolve(this.stats())
  }

  /**
   * Applies the queued interface events. Done at every wake-up, because packets of unselected interfaces fill the ring.
   */
  #takeEvents(): void {
    let changes: CaptureInterfaceEvent[] | undefined
    for (let next = this.#native.nextEvent(); next; next = this.#native.nextEvent()) {
      changes ??= []
      changes.push(...this.#interfaces.apply(next))
    }
    for (let fault = this.#native.nextFault(); fault; fault = this.#native.nextFault()) {
      this.#warnLater(explainRunning(fault))
    }
    if (!changes) return
    try {
      this.#native.commit()
    } catch (error) {
      this.#warnLater(explainRunning(error as CaptureError))
    }
    // Emitted after the present call, because a listener may call any method, including close().
    const events = changes
    queueMicrotask(() => {
      for (const event of events) emitSafely(this, 'interface', event)
    })
  }

  #fail(error: CaptureError): void {
    queueMicrotask(() => {
      if (this.listenerCount('error') > 0) emitSafely(this, 'error', error)
      else this.#warn(error)
    })
  }

  #warnLater(warning: CaptureError): void {
    queueMicrotask(() => this.#warn(warning))
  }

  #warn(warning: CaptureError): void {
    this.#debug('warning %s: %s', warning.code, warning.message)
    if (this.listenerCount('warning') > 0) emitSafely(this, 'warning', warning)
    else process.emitWarning(warning.message, { type: 'CaptureWarning', code: warning.code })
  }
}

refuseUnknownEvents(
  Capture,
  { interface: true, loss: true, warning: true, error: true, close: true },
  'Packets are never events: iterate, with "for await (const chunk of capture)"',
)
