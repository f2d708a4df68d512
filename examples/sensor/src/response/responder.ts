/** Active response: cuts the connections that the collector names. */
import { Capture, type Chunk, Dissector, type InterfaceSelection, type Packet } from 'ringtap'
import type { Cut } from '../wire/answer.js'
import type { Report } from '../wire/report.js'
import { describe, type End, endsOf, filterOf, keyOf } from './cuts.js'
import { resetFrame, resetsFor } from './reset.js'
import { type PendingReset, ResetSender } from './sender.js'

export interface ResponderOptions {
  /** ANTIGENA_ENABLED. False: no socket is opened, and every cut is refused. */
  readonly enabled: boolean
  /** The interfaces that the sensor captures at this time: no others are listened or sent on. */
  readonly interfaces: () => InterfaceSelection
  /** The sensor's filter: connections whose packets it does not accept are not cut. */
  readonly filter?: string | undefined
  /** Whether a connection is the sensor's own, which is never cut. */
  readonly isOwn?: (cut: Cut) => boolean
  /** Default 100, and that many at once. */
  readonly resetsPerSecond?: number | undefined
  /** Connections that are cut at a time, 1 to 64. Default 64: their filter has to fit into the kernel's 4096 instructions. */
  readonly maximumCuts?: number | undefined
  /** Milliseconds between two calls of `onReport`: ANTIGENA_TIME_PERIOD, which is in seconds. */
  readonly period?: number | undefined
  /** Called every `period` with {@link Responder.report}, unless that is empty. */
  readonly onReport?: ((cuts: CutReport[]) => void) | undefined
  /** `debug`: each reset. */
  readonly log?: (level: 'debug' | 'info' | 'warn', text: string) => void
}

export type CutReport = Report['cuts'][number]

interface ActiveCut {
  cut: Cut
  readonly ends: readonly [End, End]
  /** Whether a packet of it was seen. */
  seen: boolean
  /** Resets that were sent, and those of them that are not reported yet. */
  resets: number
  unreported: number
}

/** Reports that wait for {@link Responder.report}, at most. */
const maximumReports = 1000

/** Milliseconds after which a capture that failed is opened again. */
const retryDelay = 5000

/**
 * Cuts connections with TCP resets to both ends.
 *
 * While there are connections to cut, a small capture of its own delivers exactly their packets, because the sensor's
 * batches are not looked into. Each packet that either end sends shows the numbers that a reset must have, and is answered
 * by resets on the interface where it was seen. An idle connection is therefore cut when it next sends something. An end
 * on this host itself is not reached through an interface: it is reset by its peer's kernel when it next sends.
 *
 * A cut is in force until its end time, and applies to a new connection between the same ports as well.
 */
export class Responder {
  readonly #options: ResponderOptions
  readonly #dissector = new Dissector()
  readonly #cuts = new Map<string, ActiveCut>()
  /** The cut of a packet, by {@link keyOf}. */
  readonly #byKey = new Map<string, ActiveCut>()
  #reports: CutReport[] = []
  #capture: Capture | undefined
  #sender: ResetSender | undefined
  /** Changes of the capture are made one after another. */
  #turn: Promise<void> = Promise.resolve()
  /** The iteration over the present capture. */
  #reading: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  readonly #reporting: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ResponderOptions) {
    this.#options = options
    const { onReport, period } = options
    if (onReport && period !== undefined) {
      this.#reporting = setInterval(() => {
        const cuts = this.report()
        if (cuts.length > 0) onReport(cuts)
      }, period).unref()
    }
  }

  /** Adds connections to cut. One whose id is in force already gets the new end time. */
  apply(cuts: readonly Cut[]): void {
    let changed = false
    for (const cut of cuts) {
      const active = this.#cuts.get(cut.id)
      const reason = active ? undefined : this.#refusal(cut)
      if (active) active.cut = { ...active.cut, until: cut.until }
      else if (reason !== undefined) this.#refuse(cut, reason)
      else this.#add(cut)
      changed ||= reason === undefined
    }
    if (changed) this.#update()
  }

  /** What was done since the last call, one entry per cut. */
  report(): CutReport[] {
    const active = [...this.#cuts.values()].filter(({ unreported }) => unreported > 0)
    for (const entry of active) {
      this.#note({ id: entry.cut.id, outcome: 'cut', resets: entry.unreported })
      entry.unreported = 0
    }
    const reports = this.#reports
    this.#reports = []
    return reports
  }

  /** Resolves once what was applied is in force. */
  ready(): Promise<void> {
    return this.#turn
  }

  /** Ends all cuts and closes what is open. What was done until then can still be had by {@link report}. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#reporting)
    clearTimeout(this.#timer)
    for (const entry of [...this.#cuts.values()]) this.#end(entry)
    this.#change()
    await this.#turn
  }

  #refusal(cut: Cut): string | undefined {
    const { enabled, isOwn, maximumCuts = 64 } = this.#options
    if (!enabled) return 'active response is disabled'
    if (this.#closed) return 'the sensor is ending'
    if (cut.until <= Date.now()) return 'its end time has passed'
    if (isOwn?.(cut)) return "it is the sensor's own connection"
    const [one, other] = endsOf(cut)
    if (one.address.includes(':') !== other.address.includes(':')) return 'its addresses are of different versions'
    if (this.#byKey.has(keyOf(one, other))) return 'it is cut already, by another id'
    return this.#cuts.size >= maximumCuts ? `${maximumCuts} connections are being cut already` : undefined
  }

  #refuse(cut: Cut, detail: string): void {
    this.#log('warn', `cut ${cut.id} of ${describe(cut)} is refused: ${detail}`)
    this.#note({ id: cut.id, outcome: 'refused', resets: 0, detail })
  }

  #add(cut: Cut): void {
    const ends = endsOf(cut)
    const entry: ActiveCut = { cut, ends, seen: false, resets: 0, unreported: 0 }
    this.#cuts.set(cut.id, entry)
    this.#byKey.set(keyOf(...ends), entry)
    this.#byKey.set(keyOf(ends[1], ends[0]), entry)
    this.#log('info', `cut ${cut.id} of ${describe(cut)} until ${new Date(cut.until).toISOString()}`)
  }

  #end(entry: ActiveCut): void {
    const { cut, ends, seen, resets, unreported } = entry
    this.#cuts.delete(cut.id)
    this.#byKey.delete(keyOf(...ends))
    this.#byKey.delete(keyOf(ends[1], ends[0]))
    this.#sender?.forget(cut.id)
    this.#log('info', `cut ${cut.id} of ${describe(cut)} ended: ${seen ? `${resets} resets sent` : 'it was not seen'}`)
    this.#note({ id: cut.id, outcome: seen ? 'ended' : 'unseen', resets: unreported })
  }

  #note(report: CutReport): void {
    if (this.#reports.length < maximumReports) this.#reports.push(report)
  }

  /** Ends the cuts whose time has come, adapts the capture, and sets the timer for the next one. */
  #update(): void {
    clearTimeout(this.#timer)
    const now = Date.now()
    for (const entry of [...this.#cuts.values()]) if (entry.cut.until <= now) this.#end(entry)
    const next = Math.min(...[...this.#cuts.values()].map(({ cut }) => cut.until))
    // A timer takes at most 2^31 - 1 ms.
    if (Number.isFinite(next)) this.#timer = setTimeout(() => this.#update(), Math.min(next - now, 2 ** 30)).unref()
    this.#change()
  }

  /** Makes the capture fit the cuts in force. */
  #change(): void {
    this.#turn = this.#turn.then(() => this.#fit()).catch((error: unknown) => this.#fail(error))
  }

  async #fit(): Promise<void> {
    if (this.#cuts.size === 0) return await this.#shut()
    const filter = filterOf(
      [...this.#cuts.values()].map(({ ends }) => ends),
      this.#options.filter,
    )
    if (this.#capture) return await this.#capture.setFilter(filter)
    const capture = await Capture.open({
      interfaces: this.#options.interfaces(),
      filter,
      // Headers alone: Ethernet, two VLAN tags, IPv6 with extension headers, TCP.
      snapshotLength: 256,
      ring: { memory: 4 << 20 },
      chunk: { maxDelay: 1 },
    })
    capture.on('error', () => {})
    capture.on('warning', ({ message }) => this.#log('warn', `active response: ${message}`))
    this.#capture = capture
    this.#sender = new ResetSender(this.#options.resetsPerSecond ?? 100, {
      sent: (reset) => this.#sent(reset),
      failed: (reset, reason) => this.#log('warn', `cut ${reset.id}: no reset ${reset.text}: ${reason}`),
    })
    this.#reading = this.#read(capture, this.#sender)
  }

  async #read(capture: Capture, sender: ResetSender): Promise<void> {
    try {
      for await (const chunk of capture) {
        this.#answer(chunk, sender)
        sender.flush()
      }
    } catch (error) {
      this.#turn = this.#turn.then(() => this.#shut())
      this.#fail(error)
    }
  }

  #answer(chunk: Chunk, sender: ResetSender): void {
    chunk.forEach((packet) => {
      this.#dissector.dissect(packet)
      const entry = this.#find(this.#dissector)
      if (!entry) return
      entry.seen = true
      for (const reset of resetsFor(packet, this.#dissector)) {
        const frame = resetFrame(packet, this.#dissector, reset)
        if (frame) this.#queue(sender, entry, packet, reset, frame)
      }
    })
  }

  #queue(
    sender: ResetSender,
    { cut }: ActiveCut,
    packet: Packet,
    reset: { to: string; sequence: number },
    frame: Uint8Array,
  ) {
    const { sourceIp, sourcePort, destinationIp, destinationPort } = this.#dissector
    const toReceiver = reset.to === 'receiver'
    const target = toReceiver ? `${destinationIp} ${destinationPort}` : `${sourceIp} ${sourcePort}`
    const { index, name } = packet.interface
    const text = `to ${target} on ${name}, sequence number ${reset.sequence}`
    sender.add(`${cut.id} ${index} ${target}`, { id: cut.id, interface: { index, name }, frame, text })
  }

  #find({ sourceIp, sourcePort, destinationIp, destinationPort }: Dissector): ActiveCut | undefined {
    return this.#byKey.get(`${sourceIp} ${sourcePort} ${destinationIp} ${destinationPort}`)
  }

  #sent({ id, text }: PendingReset): void {
    const entry = this.#cuts.get(id)
    if (!entry) return
    entry.resets++
    entry.unreported++
    this.#log('debug', `cut ${id}: reset ${text}`)
  }

  async #shut(): Promise<void> {
    const [capture, sender] = [this.#capture, this.#sender]
    this.#capture = undefined
    this.#sender = undefined
    await capture?.close()
    await this.#reading
    await sender?.close()
  }

  /** The capture cannot be opened, or has failed: another attempt is made while there are cuts. */
  #fail(error: unknown): void {
    this.#log('warn', `active response: ${(error as Error).message}`)
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#update(), retryDelay).unref()
  }

  #log(level: 'debug' | 'info' | 'warn', text: string): void {
    this.#options.log?.(level, text)
  }
}
