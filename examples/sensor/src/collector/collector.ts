/** A collector: the store, the intake and the server, and what connects them. */
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Log } from '../common/log.js'
import type { Answer } from '../wire/answer.js'
import { Access } from './http/access.js'
import type { PageRoutesOptions } from './http/page-routes.js'
import { buildHealthServer, buildServer } from './http/server.js'
import { Intake, type IntakeEvents } from './intake.js'
import { Keys } from './keys.js'
import { MemoryBudget } from './memory-budget.js'
import { Metrics } from './metrics.js'
import { RefusalLog } from './refusal-log.js'
import { AlertLog } from './sensors/alert-log.js'
import { Cuts } from './sensors/cuts.js'
import { peersOf } from './sensors/peers.js'
import { SensorBook } from './sensors/sensor-book.js'
import type { Settings } from './settings.js'
import { Store, type StoreEvent } from './store/store.js'

/** Milliseconds between two looks at limits, keys, alerts and other collectors. */
const maintenanceInterval = 5000
const version = '0.1.0'

export class Collector {
  readonly #settings: Settings
  readonly #log: Log
  readonly #keys: Keys
  readonly #memory: MemoryBudget
  readonly #book: SensorBook
  readonly #cuts: Cuts
  readonly #metrics: Metrics
  readonly #alerts: AlertLog
  readonly #refusals: RefusalLog
  readonly #wrongRequests: RefusalLog
  readonly #wrongLogins: RefusalLog
  readonly store: Store
  readonly intake: Intake
  #servers: FastifyInstance[] = []
  #timer: NodeJS.Timeout | undefined
  #problem: string | undefined

  /** Opens the store and listens. After an error nothing of it remains. */
  static async start(settings: Settings, log: Log): Promise<Collector> {
    const keys = await Keys.open(settings.keys)
    const store = await Store.open({ ...settings.store, onEvent: (event) => logStore(log, event) })
    const collector = new Collector(settings, log, keys, store)
    await collector.#book.refresh()
    try {
      await collector.#listen()
    } catch (error) {
      await collector.close()
      throw error
    }
    return collector
  }

  private constructor(settings: Settings, log: Log, keys: Keys, store: Store) {
    this.#settings = settings
    this.#log = log
    this.#keys = keys
    this.store = store
    this.#memory = new MemoryBudget(settings.memory)
    this.#book = new SensorBook({ directory: settings.store.directory, silent: settings.silent })
    this.#cuts = new Cuts(settings.store.directory)
    this.#metrics = new Metrics(store, this.#memory, this.#book, version)
    this.#alerts = new AlertLog(log)
    this.#refusals = new RefusalLog(log)
    this.#wrongRequests = new RefusalLog(log, 'info', 'a wrong request')
    this.#wrongLogins = new RefusalLog(log, 'warn', 'a login')
    this.intake = new Intake({ store, keys, maxBytes: settings.batchBytes, events: this.#events() })
  }

  /** Where it listens: an address of `https://` or `http://`. */
  get address(): string {
    return this.#servers[0]!.listeningOrigin
  }

  /** Ends when the requests that have begun are answered. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#problem = 'the collector ends'
    await Promise.all(this.#servers.map((server) => server.close()))
    this.#flushRefusals()
  }

  async #listen(): Promise<void> {
    this.#timer = setInterval(() => this.#maintain(), maintenanceInterval)
    const { settings, intake } = { settings: this.#settings, intake: this.intake }
    const healthy = () => this.#problem
    const page = this.#page()
    const common = { intake, memory: this.#memory, log: this.#log, wrongRequests: this.#wrongRequests, healthy, page }
    const server = await buildServer({ settings, ...common })
    this.#servers.push(server)
    await server.listen(settings.listen)
    if (settings.health) {
      const health = buildHealthServer(healthy, this.#metrics.registry)
      this.#servers.push(health)
      await health.listen(settings.health)
    }
    const { files, bytes, packets } = this.store.totals()
    this.#log.info(`listens on ${this.address}`, { store: settings.store.directory, files, bytes, packets })
  }

  #page(): PageRoutesOptions | undefined {
    const { token, tls, silent, downloads, store: limits } = this.#settings
    if (token === undefined) return undefined
    const common = { store: this.store, book: this.#book, cuts: this.#cuts, metrics: this.#metrics, log: this.#log }
    const access = new Access(token, tls !== undefined)
    return { ...common, silent, downloads, limits, access, wrongLogins: this.#wrongLogins }
  }

  async #maintain(): Promise<void> {
    try {
      if (await this.#keys.reload()) this.#log.info('read the keys again')
    } catch (error) {
      this.#log.error(`the keys are as before: ${(error as Error).message}`)
    }
    try {
      await this.store.maintain()
      await this.#book.refresh()
      this.#problem = undefined
    } catch (error) {
      this.#problem = `the store: ${(error as Error).message}`
      this.#log.error(this.#problem)
    }
    this.#alerts.note(this.#book.alerts())
    this.#flushRefusals()
  }

  #flushRefusals(): void {
    for (const refusals of [this.#refusals, this.#wrongRequests, this.#wrongLogins]) refusals.flush()
  }

  #events(): IntakeEvents {
    return {
      refused: (reason, detail, { head, from }) => {
        this.#metrics.refused(reason)
        const { sensor, boot, sequence } = head ?? {}
        this.#refusals.add(detail, { reason, from, sensor, boot, sequence })
      },
      batch: ({ head: { sensor, boot, sequence }, body, from }, { packets, lost }, outcome) => {
        this.#book.seen(sensor, from)
        this.#metrics.batch(outcome, packets, body.length, lost)
        this.#log.debug(outcome, { sensor, boot, sequence, packets, bytes: body.length })
      },
      report: async ({ head, from }, report) => {
        await this.#book.note(report, head.sequence, from)
        await this.#cuts.note(report)
        this.#metrics.report()
      },
      extras: (sensor) => this.#extras(sensor),
    }
  }

  async #extras(sensor: string): Promise<Pick<Answer, 'peers' | 'cut'>> {
    const cut = await this.#cuts.pending(sensor)
    const { excludePeers } = this.#settings
    return {
      ...(cut.length > 0 && { cut }),
      ...(excludePeers && { peers: peersOf(sensor, this.#book.sensors).filter((address) => isIP(address) !== 0) }),
    }
  }
}

function logStore(log: Log, event: StoreEvent): void {
  if (event.kind === 'removed') {
    log.info(`removed the oldest files: ${event.reason}`, { files: event.files, bytes: event.bytes })
  } else if (event.damaged === undefined) {
    log.warn('made the line of a file in the index anew', { file: event.file })
  } else {
    log.error(`a file without a line in the index is damaged: ${event.damaged}`, { file: event.file })
  }
}
