/** The sensor: what is captured goes through batches to the collector, and every packet is accounted for. */
import { randomBytes } from 'node:crypto'
import type { CaptureStats } from 'ringtap'
import { detail, type Log } from '../common/log.js'
import { Responder } from '../response/responder.js'
import type { AnnounceConnections, OwnConnection, Transport } from '../transport/transport.js'
import type { Answer } from '../wire/answer.js'
import type { Identity } from '../wire/identity.js'
import type { Report } from '../wire/report.js'
import { Accounts } from './accounts.js'
import { Containers } from './containers.js'
import { describe } from './describe.js'
import { Forwarder } from './forwarder.js'
import { Governor } from './governor.js'
import { Health } from './health.js'
import { memoryInUse, shareMemory } from './memory.js'
import { Metrics } from './metrics.js'
import { isOwnConnection } from './own-cut.js'
import { capturedIn, equation, makeReport, type Self, statisticsOf } from './report.js'
import { Reporter } from './reporter.js'
import { Sealer } from './sealer.js'
import type { Settings } from './settings.js'
import { Source } from './source.js'
import { Spool } from './spool.js'
import { DiskStore, MemoryStore } from './spool-store.js'
import { States } from './states.js'

/** Milliseconds from the first signal to the end. */
const endWithin = 30_000
/** What of them is kept for writing the rest to the spool, and for the last report. */
const reserve = 4000
/** Milliseconds between two looks for what other sensors have left in the spool's path. */
const adoptEvery = 30_000

/** Milliseconds between two entries of the journal, beside those at each change of the accounts. */
const noteEvery = 200

/** Milliseconds between two looks at the load. */
const lookEvery = 1000

/** What a transport calls. */
export interface TransportEvents {
  readonly announce: AnnounceConnections
  /** An answer that comes later than the acknowledgement; `to`: which message it is about. */
  readonly onAnswer: (answer: Answer, to: Identity & { readonly kind: 'batch' | 'report' }) => void
}

export type MakeTransport = (events: TransportEvents) => Transport

/** How the sensor ended. */
export interface Ended {
  /** Whether captured + recovered = stored + spooled + lost. */
  readonly balanced: boolean
  /** Whether the capture ended by itself, because of a fault that was logged. */
  readonly failed: boolean
}

export class Sensor {
  readonly #settings: Settings
  readonly #log: Log
  readonly #self: Self
  readonly #states: States
  readonly #accounts = new Accounts()
  readonly #sealer: Sealer
  readonly #transport: Transport
  readonly #spool: Spool
  readonly #disk: DiskStore | undefined
  readonly #forwarder: Forwarder
  readonly #timers: NodeJS.Timeout[] = []
  /** Aborted when nothing is waited for any more. */
  readonly #force = new AbortController()
  /** Aborted by the first signal. */
  readonly #stop = new AbortController()
  #source: Source | undefined
  #connections: readonly OwnConnection[] = []
  #peers = ''
  #responder: Responder | undefined
  readonly #containers: Containers
  readonly #reporter: Reporter

  private constructor(
    settings: Settings,
    log: Log,
    version: string,
    disk: DiskStore | undefined,
    makeTransport: MakeTransport,
  ) {
    this.#settings = settings
    this.#log = log
    this.#disk = disk
    this.#states = new States(log)
    this.#self = { name: settings.name, version, boot: randomBytes(8).toString('hex'), startedAt: Date.now() }
    this.#sealer = new Sealer(this.#self, settings.batch.compress || 'identity', this.#accounts)
    this.#transport = makeTransport({
      announce: (connections) => this.#keepOut(connections),
      onAnswer: (answer, to) => {
        if (answer.outcome === 'refused' && to.kind === 'batch') this.#revoke(answer, to)
        this.#take(answer)
      },
    })
    this.#containers = new Containers({ ...settings.host, log })
    this.#spool = new Spool(disk ?? new MemoryStore(), {
      ...settings.spool,
      startedAt: this.#self.startedAt,
      accounts: this.#accounts,
      log,
    })
    this.#forwarder = new Forwarder({
      transport: this.#transport,
      spool: this.#spool,
      accounts: this.#accounts,
      states: this.#states,
      log,
      memory: shareMemory(settings.memory, settings.batch.bytes).queue,
      limit: settings.limit,
      onAnswer: (answer) => this.#take(answer),
    })
    this.#reporter = new Reporter({
      self: this.#self,
      transport: this.#transport,
      log,
      endWithin: (reserve / 4) * 3,
      prepare: async (final) => {
        const make = await this.#prepareReport(final)
        if (!final && this.#source) await this.#containers.refresh(this.#source.interfaces)
        return make
      },
      onAnswer: (answer) => {
        this.#forwarder.noteAnswer()
        this.#take(answer)
      },
    })
  }

  /** @throws Error if the spool cannot be created. */
  static async create(settings: Settings, log: Log, version: string, makeTransport: MakeTransport): Promise<Sensor> {
    const { path } = settings.spool
    const disk = path === undefined ? undefined : await DiskStore.openUnlessFull(path, log)
    return new Sensor(settings, log, version, disk, makeTransport)
  }

  /** Whether packets are being captured. */
  get ready(): boolean {
    return this.#source !== undefined && !this.#stop.signal.aborted
  }

  /** Ends it: the first call orderly, the second one at once. */
  stop(reason: string): void {
    if (this.#stop.signal.aborted) {
      this.#log.warn(`${reason} again: ending at once`)
      this.#force.abort()
      return
    }
    this.#log.info(`${reason}: stopping`)
    this.#stop.abort()
    setTimeout(() => this.#force.abort(), endWithin - reserve).unref()
  }

  /** Whether it ended at once rather than orderly. */
  get forced(): boolean {
    return this.#force.signal.aborted
  }

  /**
   * Captures and forwards until {@link stop}.
   *
   * @throws CaptureError if the capture cannot be opened.
   */
  async run(): Promise<Ended> {
    const health = this.#health()
    await health.start()
    try {
      const source = await this.#open()
      if (!source) return { balanced: true, failed: false }
      this.#source = source
      return await this.#runWith(source)
    } finally {
      await this.#responder?.close()
      await this.#source?.close()
      await this.#spool.close()
      await this.#transport.close()
      await health.close()
    }
  }

  /** Opens the capture; `undefined` if it was stopped before there was an interface. */
  async #open(): Promise<Source | undefined> {
    try {
      return await Source.open(this.#settings, this.#log, this.#stop.signal)
    } catch (error) {
      if (this.#stop.signal.aborted) return undefined
      throw error
    }
  }

  async #runWith(source: Source): Promise<Ended> {
    try {
      await source.keepOut(this.#connections)
      const names = source.interfaces.map(({ name }) => name)
      this.#log.info('capturing', {
        interfaces: names.length > 0 ? names : 'none until one matches',
        ...(this.#settings.filter !== undefined && { filter: this.#settings.filter }),
        sensor: this.#self.name,
        boot: this.#self.boot,
      })
      if (this.#disk) this.#accounts.onChange = () => this.#note(source)
      this.#responder = this.#makeResponder(source)
      await this.#adopt()
      this.#forwarder.begin()
      this.#startTimers(source)
      const stopped = new Promise<CaptureStats>((resolve, reject) => {
        const stop = () => source.stop().then(resolve, reject)
        if (this.#stop.signal.aborted) stop()
        else this.#stop.signal.addEventListener('abort', stop)
      })
      const failed = await this.#forward(source)
      if (failed) this.#stop.abort()
      const balanced = await this.#end(source, await stopped)
      return { balanced, failed }
    } finally {
      for (const timer of this.#timers) clearInterval(timer)
    }
  }

  #makeResponder(source: Source): Responder {
    const { filter, response } = this.#settings
    return new Responder({
      enabled: response.enabled,
      interfaces: () => source.interfaces.map(({ name }) => name),
      filter,
      isOwn: (cut) => isOwnConnection(this.#connections, cut),
      period: response.period * 1000,
      onReport: (cuts) => {
        this.#reporter.add(cuts)
        void this.#reporter.send(false)
      },
      log: (level, text) => {
        if (level === 'warn') this.#log.warn(text)
        else this.#log.detail(level === 'info' ? 0 : detail.response, text)
      },
    })
  }

  #health(): Health {
    const metrics = new Metrics(async () => (await this.#prepareReport(false))([]))
    return new Health({
      ...this.#settings.health,
      log: this.#log,
      ready: () => this.ready,
      metrics: () => metrics.text(),
      contentType: metrics.contentType,
    })
  }

  async #prepareReport(final: boolean): Promise<(cuts: Report['cuts']) => Report> {
    const free = await this.#spool.free().catch(() => undefined)
    return (cuts) => {
      const figures = {
        stats: this.#source?.stats(),
        accounts: this.#accounts,
        spool: this.#spool,
        spoolLimit: this.#settings.spool.bytes,
        forwarder: this.#forwarder,
        states: this.#states,
      }
      return makeReport(this.#self, figures, { final, free, cuts }, (index) => this.#containers.of(index))
    }
  }

  /** Takes the batches from the capture until it ends; returns whether a fault has ended it. */
  async #forward(source: Source): Promise<boolean> {
    const batches = source.batches(this.#transport.maximumBytes)
    this.#force.signal.addEventListener('abort', () => void batches.return?.())
    try {
      for await (const batch of batches) {
        await describe(batch, this.#log)
        await this.#forwarder.offer(this.#sealer.seal(batch))
      }
      return false
    } catch (error) {
      this.#log.error(`the capture failed: ${(error as Error).message}`)
      return true
    } finally {
      await batches.return?.()
    }
  }

  #revoke({ reason, detail: why }: Answer, to: Identity): void {
    this.#log.error(`a batch was refused: ${reason ?? 'no reason'}${why ? `, ${why}` : ''}`, { sequence: to.sequence })
    this.#forwarder.revoke(to)
  }

  /** Settles the accounts; returns whether they balance. */
  async #end(source: Source, stopped: CaptureStats): Promise<boolean> {
    const accounts = this.#accounts
    this.#log.debug('the capture has ended', { received: stopped.received, batches: this.#sealer.batches })
    const stats = source.stats()
    // Batches that were not taken because of a second signal are among the capture's losses.
    const { ring, overflow, malformed } = accounts.lost
    accounts.seal(0, {
      ring: stats.droppedByRing - ring,
      overflow: stats.droppedByOverflow - overflow,
      malformed: stats.malformed - malformed,
    })
    await this.#responder?.close()
    this.#reporter.add(this.#responder?.report() ?? [])
    await this.#forwarder.finish(this.#force.signal)
    this.#note(source)
    const numbers = {
      captured: capturedIn(stats),
      recovered: accounts.recovered.packets,
      stored: accounts.stored.packets,
      spooled: this.#spool.held.packets,
      lost: { ...accounts.lost },
    }
    const { balanced, text } = equation(numbers)
    await this.#reporter.send(true)
    const fields = {
      final: true,
      ...numbers,
      ...(stats.sampledOut !== undefined && { sampledOut: stats.sampledOut }),
      batches: this.#sealer.batches,
      storedBytes: accounts.stored.bytes,
      packetBytes: stats.bytes,
      states: this.#states.list(),
    }
    if (balanced) this.#log.info(text, fields)
    else this.#log.error(text, fields)
    return balanced
  }

  #startTimers(source: Source): void {
    const { log, reportSeconds } = this.#settings
    const every = (milliseconds: number, action: () => unknown) => {
      this.#timers.push(setInterval(action, milliseconds).unref())
    }
    if (this.#log.wants(detail.statistics)) every(log.statisticsSeconds * 1000, () => this.#logStatistics(source))
    every(reportSeconds * 1000, () => this.#reporter.send(false))
    if (this.#disk) {
      every(adoptEvery, () => this.#adopt())
      every(noteEvery, () => this.#note(source))
    }
    const { limit, memory, snapshotLength } = this.#settings
    const governor = new Governor({
      packets: limit.packets,
      bytes: limit.bytes,
      memory,
      snapshotLength,
      states: this.#states,
      setSnapshotLength: (bytes) => source.setSnapshotLength(bytes),
      sampleFlows: (flows) => source.sampleFlows(flows),
      onError: ({ message }) => this.#log.error(`the capture cannot be reduced: ${message}`),
    })
    every(lookEvery, () => {
      if (!this.#stop.signal.aborted) {
        void governor.look({ packets: capturedIn(source.stats()), bytes: this.#sealer.bytes, memory: memoryInUse() })
      }
    })
  }

  /** Writes down what the next start has to know if this one is killed. */
  #note(source: Source): void {
    const { recovered, stored, lostPackets } = this.#accounts
    const received = capturedIn(source.stats()) + recovered.packets
    try {
      this.#spool.note({ received, settled: stored.packets + lostPackets })
    } catch (error) {
      // On a full disk. The journal is of use only if the process is killed.
      this.#log.debug(`the journal cannot be written: ${(error as Error).message}`)
    }
  }

  async #adopt(): Promise<void> {
    if (!this.#disk) return
    try {
      await this.#spool.recover(this.#disk)
      this.#forwarder.begin()
    } catch (error) {
      this.#log.error(`what an earlier run has spooled cannot be read: ${(error as Error).message}`)
    }
  }

  #logStatistics(source: Source): void {
    const fields = statisticsOf(source.stats(), this.#accounts, this.#spool, this.#forwarder)
    this.#log.detail(detail.statistics, 'statistics', { ...fields, interfaces: source.interfaces.length })
  }

  /** Does what the collector answers. */
  #take({ cut, peers }: Answer): void {
    if (cut && !this.#stop.signal.aborted) this.#responder?.apply(cut)
    if (peers === undefined || peers.join() === this.#peers || !this.#source) return
    this.#peers = peers.join()
    this.#source.keepOutHosts(peers).then(
      (hosts) => this.#log.info('peers are kept out', { count: hosts.length, hosts: hosts.slice(0, 20) }),
      (error: Error) => this.#log.error(`the peers' traffic cannot be kept out: ${error.message}`),
    )
  }

  async #keepOut(connections: readonly OwnConnection[]): Promise<void> {
    this.#connections = connections
    try {
      await this.#source?.keepOut(connections)
    } catch (error) {
      // After the stop nothing is captured any more.
      if (!this.#stop.signal.aborted) throw error
    }
  }
}
