import { EventEmitter } from 'node:events'
import { abortReason, throwIfAborted } from '../arguments.js'
import { type DebugLog, debugLog } from '../debug.js'
import { emitSafely, refuseUnknownEvents } from '../emit.js'
import { CaptureError, construction, notConstructible } from '../errors.js'
import type { HostSets } from '../filter/address-sets.js'
import type { Connection, ConnectionList } from '../filter/connections.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { CutoffMark, NoBlock } from '../native/numbers.js'
import { ownersWarning } from '../owners/owners-warning.js'
import type { PacketOwners } from '../owners/socket-owner.js'
import { SocketOwners } from '../owners/socket-owners.js'
import type { Chunk } from '../packets/chunk.js'
import { IterationPacer, iterateChunks } from '../packets/chunk-iteration.js'
import type { Packet } from '../packets/packet.js'
import { explainOpening, explainRunning } from '../permission.js'
import type { BatchOptions } from '../record/batch-options.js'
import type { Batches } from '../record/batcher.js'
import type { FlightRecorderOptions } from '../record/flight-options.js'
import type { FlightRecorder } from '../record/flight-recorder.js'
import { Outputs } from '../record/outputs.js'
import type { PacketServer } from '../record/packet-server.js'
import type { RecordOptions } from '../record/record-options.js'
import type { Recording } from '../record/recording.js'
import type { ServeOptions } from '../record/serve-options.js'
import { ActiveFilter } from './active-filter.js'
import type { CaptureEvents, CaptureInterfaceEvent } from './capture-events.js'
import { CaptureLedger } from './capture-ledger.js'
import { type CaptureOptions, normaliseOptions, type OpeningOptions } from './capture-options.js'
import type { CaptureStats } from './capture-stats.js'
import { CapturedInterfaces } from './captured-interfaces.js'
import { ChunkIntake } from './chunk-intake.js'
import { HardwareTimestampCheck } from './hardware-timestamps.js'
import { type NativeCapture, native } from './native.js'
import { NetnsWatch } from './netns-watch.js'
import { ringWarnings } from './ring-warnings.js'
import type { SampleOptions } from './sample-options.js'
import type { Slice } from './slice-options.js'

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
  readonly #outputs: Outputs
  readonly #owners: SocketOwners | undefined
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
    // Before the first packet: nothing is known of what was before.
    const owners = normalised.owners && (await SocketOwners._open(normalised.owners))
    let wake = () => {}
    let handle: NativeCapture
    try {
      handle = await native().openCapture(normalised.native, normalised.selection.native, () => wake())
    } catch (error) {
      debug('not opened: %s', (error as Error).message)
      await owners?.close()
      throw explainOpening(error)
    }
    try {
      throwIfAborted(signal)
      const capture = new Capture(construction, handle, normalised, debug, owners)
      wake = () => capture.#wake()
      await capture.#start()
      return capture
    } catch (error) {
      debug('not started: %s', (error as Error)?.message)
      wake = () => {} // the closed handle would refuse its calls
      await Promise.all([handle.close(), owners?.close()])
      throw explainOpening(error)
    }
  }

  private constructor(
    by: typeof construction,
    handle: NativeCapture,
    options: OpeningOptions,
    debug: DebugLog,
    owners: SocketOwners | undefined,
  ) {
    super()
    if (by !== construction) throw notConstructible('Capture', 'use Capture.open()')
    this.#owners = owners
    this.#debug = debug
    this.#native = handle
    this.#options = options
    this.#filter = new ActiveFilter(handle, options.native, options.cut, {
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
    this.#outputs = new Outputs(handle, {
      interfaces: () => this.interfaces,
      filter: () => this.#filter.expression,
      owners: () => this.#owners,
      ended: () => this.#closing !== undefined || this.#stopping !== undefined,
      closed: () => this.#closing,
      iterated: () => this.#listening > 0,
      exclude: (connections) => this.#filter.excludeServed(connections),
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
      reduction: () => this.#filter.reduction,
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
      const blind = this.#owners && ownersWarning(this.#owners.missing)
      if (blind) this.#warn(blind)
      for (const warning of ringWarnings(settings, this.stats().ring)) this.#warn(warning)
    })
  }

  /** The interfaces that are captured now, by index. */
  get interfaces(): readonly NetworkInterface[] {
    return this.#interfaces.selected
  }

  /**
   * The ledger: what became of every packet. Once `close()` has resolved, it is final: what nobody took is `queued`.
   *
   * Synchronous; takes some microseconds for each interface of the namespace, and waits for no lock of the kernel.
   * {@link InterfaceStats.device} may be up to a second old for hardware, whose counters the kernel reports only under
   * its RTNL lock; they are up to date in what {@link stop} returns.
   */
  stats(): CaptureStats {
    return this.#ledger.stats()
  }

  /**
   * Whose packets are, with {@link CaptureOptions.owners}; otherwise `undefined`. Closed with the capture.
   *
   * {@link SocketOwners.update} reads what is known of packets received by then; call it once per chunk.
   */
  get owners(): SocketOwners | undefined {
    return this.#owners
  }

  /**
   * The owners of a packet, as far as they are known by now: {@link SocketOwners.ownersOf}.
   *
   * ```ts
   * const capture = await Capture.open({ owners: true })
   * for await (const chunk of capture) {
   *   await capture.owners?.update(chunk.lastTimestamp)
   *   for (const packet of chunk) console.log(capture.ownersOf(packet).source.processes[0]?.name)
   * }
   * ```
   *
   * @throws CaptureError `ERR_OPTION`, also if the capture was opened without `owners`; `ERR_RELEASED`, `ERR_CLOSED`.
   */
  ownersOf(packet: Packet): PacketOwners {
    if (!this.#owners) {
      throw new CaptureError('ERR_OPTION', 'ownersOf() needs a capture that was opened with owners: true', {
        option: 'owners',
      })
    }
    return this.#owners.ownersOf(packet)
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
        if (used) this.#outputs.assertIterable()
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
   * Replaces the filter while the capture runs. The address sets ({@link setHosts}) and the excluded
   * connections ({@link setConnections}) stay. No packet that both filters
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
   * Changes {@link CaptureOptions.snapshotLength} while the capture runs: packets that are received after the promise
   * has resolved are cut to the new length, in the kernel. No packet is lost by the change. Privileges that the process
   * gave up matter as in {@link setFilter}.
   *
   * @param bytes 1 to 262144; with `backend: 'pcap'` at most the length with which the capture was opened.
   * @throws CaptureError (the promise rejects, and the old length stays) as {@link setFilter} does.
   */
  setSnapshotLength(bytes: number): Promise<void> {
    return this.#filter.replaceSnapshotLength(bytes)
  }

  /**
   * Changes {@link CaptureOptions.slice} while the capture runs: packets that are received after the promise has resolved
   * are cut in the new way, in the kernel. No packet is lost by the change. The snapshot length stays. Privileges that the
   * process gave up matter as in {@link setFilter}.
   *
   * Files that are being recorded describe their interfaces again, with the new slice, ahead of the packets that it
   * applies to.
   *
   * @param slice `undefined`: packets are kept up to the snapshot length again.
   * @throws CaptureError (the promise rejects, and the old slice stays) as {@link setFilter} does.
   */
  setSlice(slice: Slice | undefined): Promise<void> {
    return this.#filter.replaceSlice(slice)
  }

  /**
   * Changes {@link CaptureOptions.sample} while the capture runs.
   *
   * As with {@link setFilter}, no packet that passes the old sampling and the new one is lost, after the promise has
   * resolved every chunk contains only what passes the new one, and packets from before the change are delivered under the
   * old one as long as an iteration takes them in time. Privileges that the process gave up matter as there.
   *
   * Files that are being recorded describe their interfaces again, with the new sampling, ahead of the packets that it
   * applies to.
   *
   * @param sample `undefined`: every flow.
   * @throws CaptureError (the promise rejects, and the old sampling stays) as {@link setFilter} does.
   */
  setSample(sample: SampleOptions | undefined): Promise<void> {
    return this.#filter.replaceSample(sample)
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
   * Replaces the list of connections that are not captured ({@link CaptureOptions.excludeConnections}) while the capture
   * runs; an empty list removes the restriction.
   *
   * ```ts
   * const socket = connect(443, 'collector.example')
   * socket.once('connect', () => void capture.setConnections([socket]))
   * ```
   *
   * As with {@link setFilter}, no packet that passes the old list and the new one is lost, after the promise has resolved
   * every chunk contains only what passes the new one, and packets from before the change are delivered under the old
   * one as long as an iteration takes them in time. The list is read at the call.
   *
   * A socket's addresses and ports are known once it is connected, and so are captured the packets by which it connects.
   * To exclude these too, choose the local port, and name the connection beforehand.
   *
   * If the process has given up CAP_BPF since it opened the capture, the same holds as for {@link setFilter}, and the
   * connections must fit into a classic filter program.
   *
   * @throws CaptureError (the promise rejects, and the old list stays) `ERR_OPTION`, naming the entry and its position;
   *   `ERR_FILTER_TOO_LARGE`, saying how many fit; `ERR_CLOSED`; `ERR_PERMISSION`, naming the missing capability and how
   *   to keep it; `ERR_SYSTEM`.
   */
  setConnections(connections: ConnectionList): Promise<void> {
    return this.#filter.replaceConnections(connections)
  }

  /**
   * Refuses a connection from now on, both directions, as if it were beyond the cut-off ({@link CaptureOptions.cutoff},
   * which must be given, if only as `{}`): to be used once a program has seen enough of it. It stays refused until
   * {@link unbypass}; up to 65 536 connections can be marked by `bypass` and {@link keep} together.
   *
   * @throws CaptureError `ERR_OPTION`, also if the capture has no cut-off or too many connections are marked;
   *   `ERR_CLOSED`; `ERR_PERMISSION` if the process has given up CAP_BPF.
   */
  bypass(connection: Connection): void {
    this.#filter.mark(connection, CutoffMark.BYPASS)
  }

  /**
   * Captures a connection whole from now on, whatever the cut-off says, until {@link unbypass}.
   *
   * @throws CaptureError as {@link bypass} does.
   */
  keep(connection: Connection): void {
    this.#filter.mark(connection, CutoffMark.KEEP)
  }

  /**
   * Ends {@link bypass} or {@link keep} of a connection: the cut-off applies to it again. Does nothing if it is not
   * marked.
   *
   * @throws CaptureError as {@link bypass} does.
   */
  unbypass(connection: Connection): void {
    this.#filter.mark(connection, CutoffMark.NORMAL)
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
    return this.#outputs.record(options)
  }

  /**
   * Packs the packets into batches, each a whole pcapng file in memory, for a program that forwards them: off the event
   * loop, on a thread of its own, without the packets passing through JavaScript one by one.
   *
   * ```ts
   * for await (const { bytes, sequence, lost } of capture.batches({ bytes: 1 << 20, milliseconds: 500 })) {
   *   await send(bytes, { sequence, lost: lost.total })
   * }
   * ```
   *
   * A batch is complete when it has `bytes`, or `milliseconds` after its first packet. After {@link stop}, the last batch
   * ends with the last packet that was received before it, and the iteration ends. When the batches are taken too slowly,
   * they wait in `memory`, then packets wait in the ring and in the overflow memory; when that is used up too, the oldest
   * packets that are not packed yet are dropped. In all batches together, `packets` and `lost.total` add up to the
   * packets that the capture received, without those of interfaces that are not selected (`stats().unselected`), if
   * nothing else takes packets of the capture.
   *
   * The packets of a capture have one consumer: while there are batches, an iteration and {@link record} are refused, and
   * batches are refused while there is another iteration or a recording. Packing begins at the call, with the packets
   * that wait already. It ends when the iteration ends: leaving the loop, aborting `signal` and {@link close} discard
   * the batches that were not taken, and the part of one that was packed; their packets count as
   * {@link CaptureStats.droppedByOverflow}, and as `lost` in the next batches. Packets that were not packed wait for the
   * next consumer.
   *
   * {@link CaptureStats.delivered} counts a packet when it is packed. After {@link setFilter} the batches that were
   * packed before may still contain packets that only the old filter accepts.
   *
   * @throws CaptureError `ERR_OPTION`, also for a second consumer; `ERR_CLOSED` if the capture was stopped;
   *   `ERR_SYSTEM` without memory. The iteration rejects with `ERR_SYSTEM` if there is no memory for a batch, and with
   *   the reason of an aborted `signal`, this one's or the capture's, unchanged.
   */
  batches(options?: BatchOptions): Batches {
    return this.#outputs.batches(options)
  }

  /**
   * Keeps the newest packets in bounded memory, in native code, for a dump of what was before an alarm and what comes
   * after it. Beside it the capture can be iterated, recorded and packed into batches as ever.
   *
   * ```ts
   * const recorder = capture.flightRecorder({ memory: 256 << 20, seconds: 120 })
   * onAlarm(() => recorder.dump('/var/tmp/alarm.pcapng', { before: 30, after: 10 }))
   * ```
   *
   * One at a time. It begins with the next block of the ring. While it runs, packets wait for JavaScript only as long as
   * an iteration is in progress, as with {@link record}; those that nobody else takes count as `delivered`. If it does not
   * keep up, it gives up packets before a recording or JavaScript loses any.
   *
   * @throws CaptureError `ERR_OPTION`, also while another one runs; `ERR_CLOSED` if the capture was stopped;
   *   `ERR_SYSTEM` without memory.
   */
  flightRecorder(options?: FlightRecorderOptions): FlightRecorder {
    return this.#outputs.flightRecorder(options)
  }

  /**
   * Serves the packets over TCP, live, to programs that connect: Wireshark (`-i TCP@HOST:PORT`), tshark, NetworkMiner, Arkime and
   * whatever else speaks PCAP-over-IP, which is a savefile through a socket. In native code but for the sockets, which get large
   * pieces.
   *
   * ```ts
   * const server = await capture.serve({ port: 57012, memory: 128 << 20 })
   * server.on('detach', ({ address, packets, dropped }) => console.log(address, packets, dropped))
   * ```
   *
   * Each reader gets a whole savefile, which begins when it connects: the section, the interfaces of its packets, the packets,
   * and in pcapng statistics of the interfaces on each loss, at most once a second, and at the end. A reader that is too slow
   * misses the oldest packets once `memory` is used up; they are counted for it alone, and neither the capture nor other readers
   * wait. In pcapng its statistics have them.
   *
   * One at a time. Beside it the capture can be iterated, recorded, packed into batches, and have a flight recorder; as with that,
   * packets wait for JavaScript only as long as an iteration is in progress, and the server gives up packets before a recording or
   * JavaScript loses any. The connections of the readers are not captured, for everybody who reads this capture.
   *
   * There is no authentication: whoever can connect gets the packets. Bind it to loopback, which is the default, and let
   * readers come through ssh, or require certificates (`tls`).
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, also while another one runs; `ERR_FILTER_SYNTAX`;
   *   `ERR_FILTER_TOO_LARGE`; `ERR_CLOSED` if the capture was stopped; `ERR_PERMISSION` or `ERR_SYSTEM` if it cannot listen,
   *   or without memory.
   */
  serve(options?: ServeOptions): Promise<PacketServer> {
    return this.#outputs.serve(options)
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
    this.#outputs.close(this.#aborted)
    this.#ledger.end()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const closed = Promise.all([this.#native.close(), this.#owners?.close()])
    this.#pacer.wake()
    const [ledger] = await closed
    if (ledger) this.#ledger.setFinal(ledger)
    this.#outputs.look()
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
      if (this.#closing) return undefined
      if (ended()) {
        // This call may have been woken for them.
        this.#takeEvents()
        return undefined
      }
      const due = this.#pacer.yieldIfDue()
      if (due) {
        await due
        continue
      }
      const chunk = this.#intake.next()
      if (chunk !== NoBlock.EMPTY) return chunk
      await this.#pacer.wait()
    }
  }

  #wake(): void {
    if (this.#closing) return
    // An iteration that waits takes them next. What an output reports comes after them.
    if (!this.#pacer.waiting || this.#outputs.active) this.#takeEvents()
    this.#outputs.look()
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
   * Applies the queued interface events. Done at every wake-up, by an iteration or for it, because packets of unselected
   * interfaces fill the ring.
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
