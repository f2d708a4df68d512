/** The report that the sensor sends, and the numbers in its log. */
import { hostname } from 'node:os'
import type { CaptureStats } from 'ringtap'
import { type Losses, lossCauses } from '../wire/batch-head.js'
import type { Report } from '../wire/report.js'
import type { Accounts, Amount } from './accounts.js'
import type { Forwarder } from './forwarder.js'
import type { Spool } from './spool.js'
import type { States } from './states.js'

export interface Self {
  readonly name: string
  readonly version: string
  readonly boot: string
  /** Milliseconds since 1970-01-01 UTC. */
  readonly startedAt: number
}

export interface ReportSource {
  /** `undefined`: the capture is not open yet. */
  readonly stats: CaptureStats | undefined
  readonly accounts: Accounts
  readonly spool: Spool
  readonly spoolLimit: number
  readonly forwarder: Forwarder
  readonly states: States
}

/** The container at the other end of an interface. */
export type ContainerOf = (index: number) => Report['interfaces'][number]['container']

/** Packets that the filter accepted on captured interfaces. */
export function capturedIn(stats: CaptureStats | undefined): number {
  return stats ? stats.received - stats.unselected : 0
}

/** Milliseconds since the earliest packet that is not acknowledged. */
function lagOf(forwarder: Forwarder): number {
  const { oldest } = forwarder
  return oldest === undefined ? 0 : Math.max(0, Date.now() - milliseconds(oldest))
}

export function makeReport(
  self: Self,
  source: ReportSource,
  rest: { readonly final: boolean; readonly free: number | undefined; readonly cuts: Report['cuts'] },
  containerOf: ContainerOf,
): Report {
  const { stats, accounts, spool, spoolLimit, forwarder, states } = source
  const { oldest } = spool
  return {
    name: self.name,
    host: hostname(),
    version: self.version,
    boot: self.boot,
    startedAt: self.startedAt,
    time: Date.now(),
    final: rest.final,
    interfaces: stats ? interfacesIn(stats, containerOf) : [],
    totals: {
      captured: capturedIn(stats),
      ...(stats?.sampledOut !== undefined && { sampledOut: stats.sampledOut }),
      recovered: { ...accounts.recovered },
      stored: { ...accounts.stored },
      spooled: without(spool.held, forwarder.doubled),
      waiting: waitingIn(stats, accounts, forwarder),
    },
    lost: { ...accounts.lost },
    spool: {
      ...without(spool.held, forwarder.doubled),
      limit: spoolLimit,
      ...(rest.free !== undefined && { free: rest.free }),
      ...(oldest !== undefined && { oldest: milliseconds(oldest) }),
    },
    lag: Math.round(lagOf(forwarder)),
    retries: forwarder.retries,
    lossRatio: Math.min(Math.max(stats?.loss.ratio ?? 0, 0), 1),
    states: states.list(),
    cuts: rest.cuts,
  }
}

/** The fields of a line of statistics in the log. */
export function statisticsOf(stats: CaptureStats, accounts: Accounts, spool: Spool, forwarder: Forwarder) {
  const { packets, bytes } = without(spool.held, forwarder.doubled)
  return {
    captured: capturedIn(stats),
    ...(stats.sampledOut !== undefined && { sampledOut: stats.sampledOut }),
    bytes: stats.bytes,
    stored: accounts.stored.packets,
    storedBytes: accounts.stored.bytes,
    spooled: packets,
    spooledBytes: bytes,
    lost: accounts.lostPackets,
    lossRatio: Number(stats.loss.ratio.toFixed(4)),
    queued: stats.queued,
    lag: lagOf(forwarder),
  }
}

/** What waits in memory, and what the capture has not yet put into a batch. */
function waitingIn(stats: CaptureStats | undefined, accounts: Accounts, forwarder: Forwarder): Amount {
  const { batches, packets, bytes } = forwarder.waiting
  return { batches, packets: packets + Math.max(capturedIn(stats) - accounts.captured, 0), bytes }
}

/** What is in the spool alone: batches that are in memory too count there. */
function without(held: Readonly<Amount>, doubled: Amount): Amount {
  return {
    batches: held.batches - doubled.batches,
    packets: held.packets - doubled.packets,
    bytes: held.bytes - doubled.bytes,
  }
}

function interfacesIn(stats: CaptureStats, containerOf: ContainerOf): Report['interfaces'] {
  return stats.interfaces
    .filter(({ selected, delivered, unselected, received = 0 }) => selected || delivered + unselected + received > 0)
    .slice(0, 10_000)
    .map((one) => {
      const container = containerOf(one.index)
      const device = one.device && Math.max(...Object.values(one.device))
      return {
        name: one.name,
        index: one.index,
        present: one.present,
        selected: one.selected,
        ...(one.received !== undefined && { received: one.received }),
        delivered: one.delivered,
        bytes: one.bytes,
        truncated: one.truncated,
        ...(one.dropped !== undefined && { dropped: one.dropped }),
        unselected: one.unselected,
        // Drivers differ in which counter they use, and count one packet in several: the largest is a lower bound.
        ...(device !== undefined && { deviceDropped: device }),
        ...(container && { container }),
      }
    })
}

/** The sum of what became of the packets, as one line: `captured 7 = stored 5 + spooled 0 + lost 2 (ring 2)`. */
export function equation(numbers: {
  readonly captured: number
  readonly recovered: number
  readonly stored: number
  readonly spooled: number
  readonly lost: Losses
}): { readonly balanced: boolean; readonly text: string } {
  const { captured, recovered, stored, spooled, lost } = numbers
  const causes = lossCauses.filter((cause) => lost[cause] > 0)
  const total = causes.reduce((sum, cause) => sum + lost[cause], 0)
  const balanced = captured + recovered === stored + spooled + total
  const left = `captured ${captured}${recovered > 0 ? ` + recovered ${recovered}` : ''}`
  const why = causes.length > 0 ? ` (${causes.map((cause) => `${cause} ${lost[cause]}`).join(', ')})` : ''
  return {
    balanced,
    text: `${left} ${balanced ? '=' : '≠'} stored ${stored} + spooled ${spooled} + lost ${total}${why}`,
  }
}

function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1_000_000n)
}
