/**
 * Sends batches to the collector. Each is written to the spool first, if that is on disk, so that the process may be
 * killed at any moment; a copy in memory, as long as there is room, saves reading it back.
 */

import { backoff, jittered } from '../common/backoff.js'
import { detail, type Log } from '../common/log.js'
import { type SealedBatch, type Transport, TransportError } from '../transport/transport.js'
import type { Answer } from '../wire/answer.js'
import type { Identity } from '../wire/identity.js'
import { type Accounts, type Amount, type Counted, countedOf, nothing } from './accounts.js'
import { Limiter } from './limiter.js'
import type { Spool, Spooled } from './spool.js'
import type { States } from './states.js'

export interface ForwarderOptions {
  readonly transport: Transport
  readonly spool: Spool
  readonly accounts: Accounts
  readonly states: States
  readonly log: Log
  /** Bytes of batches that wait in memory, or are being sent. */
  readonly memory: number
  /** Per second; 0: no limit. With `drop`, a batch beyond them is lost; with `wait`, it waits for its turn. */
  readonly limit: { readonly bytes: number; readonly packets: number; readonly action: 'wait' | 'drop' }
  /** Called with what the collector answers. */
  readonly onAnswer: (answer: Answer) => void
  /** Milliseconds before the first further attempt; each doubles it, to at most 30 seconds. Default 500. */
  readonly firstDelay?: number
}

/** A batch that is to be sent, and where it is until then. */
interface Task {
  readonly batch: SealedBatch
  /** Its place in the spool; `undefined`: it is in memory alone. */
  readonly entry: Spooled | undefined
}

/** How many acknowledged batches are remembered, in case they are refused later. */
const remembered = 4096

/** How often a batch may fail while the collector answers otherwise, before others are tried ahead of it. */
const patience = 3

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #bytes: Limiter
  readonly #packets: Limiter
  /** New batches, oldest first. */
  readonly #queue: Task[] = []
  /** Those that are being sent. */
  readonly #sending = new Set<Task>()
  /** How many that are settled are being removed from the spool. */
  #removing = 0
  /** Those that are being written to the spool. */
  readonly #writing = new Set<SealedBatch>()
  readonly #abort = new AbortController()
  #failures = 0
  #retries = 0
  /** Of a batch in the spool: how often it failed, and how many answers had come when it did so first. */
  readonly #failed = new WeakMap<Spooled, { times: number; readonly answers: number }>()
  /** How often the collector answered, whatever it was. */
  #answers = 0
  #timer: NodeJS.Timeout | undefined
  /** When the next attempt may be made, by performance.now(). */
  #notBefore = 0
  #fromSpool = false
  #pumping = false
  /** Something changed since the pump looked last. */
  #due = false
  #ended = false
  #forwarded = false
  /** Batches that the collector's server has acknowledged, the latest ones, by boot and sequence. */
  readonly #acknowledged = new Map<string, Counted>()
  /** Resolved at each change, for {@link finish}. */
  #waiting: (() => void)[] = []

  constructor(options: ForwarderOptions) {
    this.#options = options
    const { bytes, packets, action } = options.limit
    this.#bytes = new Limiter(bytes)
    this.#packets = new Limiter(action === 'drop' ? packets : 0)
  }

  /** Whether the collector did not take what was sent last. */
  get away(): boolean {
    return this.#failures > 0
  }

  get retries(): number {
    return this.#retries
  }

  /** What waits in memory, or is being sent. */
  get waiting(): Amount {
    return amountOf([...this.#tasks().map(({ batch }) => batch), ...this.#writing])
  }

  /** What of that is in the spool too. */
  get doubled(): Amount {
    return amountOf(
      this.#tasks()
        .filter(({ entry }) => entry)
        .map(({ batch }) => batch),
    )
  }

  /** The time of the earliest packet that the collector has not acknowledged, nanoseconds since 1970-01-01 UTC. */
  get oldest(): bigint | undefined {
    let oldest = this.#options.spool.oldest
    for (const { batch } of this.#tasks()) {
      const { packets, first } = batch.head
      if (packets > 0 && (oldest === undefined || first < oldest)) oldest = first
    }
    return oldest
  }

  /** Takes a new batch; resolves when it is in memory, in the spool, or lost. */
  async offer(batch: SealedBatch): Promise<void> {
    const { accounts, limit, memory, spool, states } = this.#options
    if (limit.action === 'drop') {
      const pass = this.#packets.take(batch.head.packets) && this.#bytes.take(batch.bytes.length)
      if (!pass) {
        accounts.lose(countedOf(batch), 'limit')
        states.enter('limit', `batches beyond ${limitText(limit)} are lost`)
        return
      }
      states.leave('limit')
    }
    const fits = () => !this.away && this.waiting.bytes + batch.bytes.length <= memory
    const entry = spool.lasting || !fits() ? await this.#write(batch, !fits()) : undefined
    if (fits()) this.#queue.push({ batch, entry })
    else await this.#keep({ batch, entry })
    if (spool.full) states.enter('spool-full', 'the oldest batches are evicted')
    else if (spool.roomy) states.leave('spool-full')
    this.#pump()
  }

  /** A batch that was acknowledged has been refused since. */
  revoke({ boot, sequence }: Identity): void {
    const counted = this.#acknowledged.get(`${boot} ${sequence}`)
    if (!counted) return
    this.#acknowledged.delete(`${boot} ${sequence}`)
    this.#options.accounts.revoke(counted)
  }

  /** The collector has answered something else than a batch. */
  noteAnswer(): void {
    this.#answers++
  }

  /** Begins to send what the spool holds. */
  begin(): void {
    this.#pump()
  }

  /**
   * Waits until everything is sent. Batches that are not sent by then stay in the spool, or are lost if that is in
   * memory: when `deadline` is aborted, and if the spool is on disk, as soon as the collector is away.
   */
  async finish(deadline: AbortSignal): Promise<void> {
    const { spool } = this.#options
    const stop = () => this.#change()
    deadline.addEventListener('abort', stop)
    while (!deadline.aborted && (this.#queue.length > 0 || this.#sending.size > 0 || spool.hasWaiting)) {
      if (this.away && spool.lasting && this.#sending.size === 0) break
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    deadline.removeEventListener('abort', stop)
    this.#ended = true
    clearTimeout(this.#timer)
    this.#abort.abort()
    while (this.#sending.size > 0 || this.#removing > 0)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    for (const task of this.#queue.splice(0)) await this.#keep(task)
    if (!spool.lasting) await spool.abandon()
  }

  /** Starts as many attempts as may be under way. */
  #pump(): void {
    this.#due = true
    if (this.#pumping) return
    this.#pumping = true
    void this.#run()
  }

  async #run(): Promise<void> {
    while (this.#due) {
      this.#due = false
      try {
        await this.#start()
      } catch (error) {
        this.#options.log.error(`forwarding: ${(error as Error).stack}`)
      }
    }
    this.#pumping = false
    this.#change()
  }

  async #start(): Promise<void> {
    const { transport, limit } = this.#options
    while (!this.#ended) {
      // While the collector is away, one batch at a time finds out whether it is back.
      if (this.#sending.size >= (this.away ? 1 : transport.window)) return
      if (this.away && performance.now() < this.#notBefore) return this.#later(this.#notBefore - performance.now())
      const delay = limit.action === 'wait' ? this.#bytes.delay() : 0
      if (delay > 0) return this.#later(delay)
      const task = await this.#next()
      if (!task) return
      if (limit.action === 'wait') this.#bytes.take(task.batch.bytes.length)
      void this.#send(task)
    }
  }

  /** The next batch: new ones and spooled ones take turns. */
  async #next(): Promise<Task | undefined> {
    this.#fromSpool = !this.#fromSpool || this.#queue.length === 0
    if (this.#fromSpool || this.#queue.length === 0) {
      const spooled = await this.#options.spool.take()
      if (spooled) return spooled
    }
    return this.#queue.shift()
  }

  async #send(task: Task): Promise<void> {
    const { batch } = task
    const { transport, log } = this.#options
    this.#sending.add(task)
    const size = { sequence: batch.sequence, packets: batch.head.packets, bytes: batch.bytes.length }
    log.detail(detail.sending, 'sending a batch', size)
    const began = performance.now()
    try {
      const answer = await transport.send(batch, this.#abort.signal)
      log.detail(detail.sending, `the collector answered: ${answer.outcome}`, {
        sequence: batch.sequence,
        milliseconds: Math.round(performance.now() - began),
      })
      await this.#succeeded(task, answer)
    } catch (error) {
      await this.#fail(task, error)
    } finally {
      this.#sending.delete(task)
      this.#pump()
      this.#change()
    }
  }

  async #succeeded(task: Task, answer: Answer): Promise<void> {
    const { batch } = task
    const { accounts, log, onAnswer, states } = this.#options
    this.#answers++
    const counted = countedOf(batch)
    this.#acknowledged.set(`${batch.boot} ${batch.sequence}`, counted)
    for (const key of this.#acknowledged.keys()) {
      if (this.#acknowledged.size <= remembered) break
      this.#acknowledged.delete(key)
    }
    this.#failures = 0
    states.leave('collector-away')
    await this.#settle(task, () => accounts.store(counted))
    if (!this.#forwarded) log.info('forwarding: the collector has taken the first batch')
    this.#forwarded = true
    onAnswer(answer)
  }

  async #fail(task: Task, error: unknown): Promise<void> {
    const { accounts, log } = this.#options
    const { batch } = task
    const { sequence } = batch
    if (error instanceof TransportError && !error.again) {
      log.error(`a batch is lost: ${error.message}`, { sequence, packets: batch.head.packets })
      return this.#settle(task, () => accounts.lose(countedOf(batch), 'refused'))
    }
    const aborted = this.#abort.signal.aborted
    if (task.entry && !aborted && this.#isStuck(task.entry, error)) {
      log.warn('a batch is not taken although the collector answers: others are sent ahead of it', { sequence })
      this.#options.spool.postpone(task.entry)
    } else await this.#keep(task)
    if (aborted) return
    const message = error instanceof Error ? error.message : String(error)
    log.detail(detail.sending, `a batch was not taken: ${message}`, { sequence })
    this.#retreat(message, error instanceof TransportError ? error.retryAfter : undefined)
    // What waits in memory is left to the spool, which keeps the order.
    for (const waiting of this.#queue.splice(0)) await this.#keep(waiting)
  }

  /** Whether a failure of a batch is one of many while the collector answers: it must not hold up all others. */
  #isStuck(entry: Spooled, error: unknown): boolean {
    const failed = this.#failed.get(entry) ?? { times: 0, answers: this.#answers }
    if (error instanceof TransportError && error.answered) this.#answers++
    failed.times++
    const stuck = failed.times >= patience && this.#answers > failed.answers
    if (stuck) this.#failed.delete(entry)
    else this.#failed.set(entry, failed)
    return stuck
  }

  /** Accounts for a batch and gives up its copies: from now on it does not count as waiting or spooled. */
  async #settle(task: Task, account: () => void): Promise<void> {
    const settle = () => {
      account()
      this.#sending.delete(task)
    }
    if (!task.entry) return settle()
    this.#removing++
    try {
      await this.#options.spool.remove(task.entry, settle)
    } finally {
      this.#removing--
    }
  }

  /** Puts off the next attempt, the longer the more have failed. */
  #retreat(message: string, retryAfter: number | undefined): void {
    const { firstDelay = 500, states } = this.#options
    this.#retries++
    // Several that were under way fail together: they count once.
    if (this.away && performance.now() < this.#notBefore) return
    const delay = retryAfter ?? backoff(firstDelay, this.#failures)
    this.#failures++
    this.#notBefore = performance.now() + jittered(delay)
    states.enter('collector-away', message)
  }

  /** Leaves a batch to the spool; one for which there is no room, although others are evicted, is lost. */
  async #keep({ batch, entry }: Task): Promise<void> {
    const { accounts, log, spool } = this.#options
    const kept = entry ?? (await this.#write(batch, true))
    if (kept) return spool.release(kept)
    log.warn('there is no room in the spool: a batch is lost', {
      sequence: batch.sequence,
      packets: batch.head.packets,
    })
    accounts.lose(countedOf(batch), 'spool')
  }

  async #write(batch: SealedBatch, evict: boolean): Promise<Spooled | undefined> {
    this.#writing.add(batch)
    try {
      return await this.#options.spool.put(batch, evict)
    } finally {
      this.#writing.delete(batch)
    }
  }

  /** What is in memory. */
  #tasks(): readonly Task[] {
    return [...this.#queue, ...this.#sending]
  }

  #later(milliseconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#pump(), milliseconds)
  }

  #change(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function limitText({ bytes, packets }: ForwarderOptions['limit']): string {
  const parts = [bytes > 0 ? `${bytes} bytes/s` : '', packets > 0 ? `${packets} packets/s` : '']
  return parts.filter(Boolean).join(' or ')
}

function amountOf(batches: readonly SealedBatch[]): Amount {
  const amount = nothing()
  for (const { head, bytes } of batches) {
    amount.batches++
    amount.packets += head.packets
    amount.bytes += bytes.length
  }
  return amount
}
