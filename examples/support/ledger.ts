import type { CaptureStats } from 'ringtap'
import { count, printable } from './format.js'
import { paint, table } from './style.js'

const absent = '-'

/** The ledger as a table: a line per interface that was captured or seen, the total, and the equation. */
export function ledger(stats: CaptureStats): string {
  const head = ['interface', 'received', 'delivered', 'dropped', 'unselected', 'truncated', 'bytes']
  const rows = stats.interfaces
    .filter((one) => one.selected || one.delivered > 0 || one.unselected > 0 || (one.received ?? 0) > 0)
    .map((one) => [
      `${printable(one.name) || `index ${one.index}`}${one.present ? '' : ' (gone)'}`,
      optional(one.received),
      count(one.delivered),
      optional(one.dropped),
      count(one.unselected),
      count(one.truncated),
      count(one.bytes),
    ])
  const { received, delivered, unselected, truncated, bytes } = stats
  const dropped = stats.droppedByRing + stats.droppedByOverflow + stats.droppedByRecorder + stats.malformed
  const total = ['total', ...[received, delivered, dropped, unselected, truncated, bytes].map(count)]
  const lines = table([head, ...rows, total]).split('\n')
  const first = paint('bold', lines[0] ?? '')
  const last = paint('bold', lines.at(-1) ?? '')
  const note = rows.some((row) => row.includes(absent))
    ? `\n  ${absent}: per interface, only the kernel's eBPF counters tell; this process may not use them (CAP_BPF)`
    : ''
  const besides =
    stats.duplicates > 0 ? `\n  besides, ${count(stats.duplicates)} duplicates of packets delivered elsewhere` : ''
  return `${[first, ...lines.slice(1, -1), last].join('\n')}${note}\n  ${equation(stats)}${besides}`
}

/** Whether each packet received was delivered or lost for a known cause. */
export function balanced(stats: CaptureStats): boolean {
  return stats.received === accounted(stats)
}

/** The equation of the ledger, in numbers. */
export function equation(stats: CaptureStats): string {
  const { received, delivered, droppedByRing, droppedByOverflow, droppedByRecorder } = stats
  const { unselected, malformed, queued } = stats
  const terms = [
    `${count(delivered)} delivered`,
    `${count(droppedByRing)} lost, ring full`,
    `${count(droppedByOverflow)} lost, overflow full`,
    `${count(unselected)} unselected`,
    ...(droppedByRecorder > 0 ? [`${count(droppedByRecorder)} lost, disk too slow`] : []),
    ...(malformed > 0 ? [`${count(malformed)} unreadable`] : []),
    ...(queued > 0 ? [`${count(queued)} queued`] : []),
  ]
  return `${count(received)} received ${balanced(stats) ? '=' : '≠'} ${terms.join(' + ')}`
}

function accounted(stats: CaptureStats): number {
  const { delivered, droppedByRing, droppedByOverflow, droppedByRecorder, unselected, malformed, queued } = stats
  return delivered + droppedByRing + droppedByOverflow + droppedByRecorder + unselected + malformed + queued
}

function optional(value: number | undefined): string {
  return value === undefined ? absent : count(value)
}
