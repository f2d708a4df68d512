import type { CaptureStats } from '../index.js'
import { amount, grouped, oneLine, table } from './terminal.js'

/** What became of the packets of a capture, for the end of its output. */
export function ledgerText(stats: CaptureStats): string {
  const losses = [
    [stats.droppedByRing, 'dropped by the ring'],
    [stats.droppedByOverflow, 'dropped by overflow'],
    [stats.droppedByRecorder, 'dropped by the recorder'],
    [stats.malformed, 'malformed'],
  ] as const
  const others = [
    [stats.unselected, 'of other interfaces'],
    [stats.duplicates, 'duplicates'],
    [stats.beyondCutoff, 'beyond the cut-off'],
    [stats.sampledOut ?? 0, 'of flows not sampled'],
    [stats.truncated, 'truncated'],
    [stats.queued, 'after the end'],
  ] as const
  const lost = losses.reduce((sum, [count]) => sum + count, 0)
  const named = [...losses, ...others]
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${grouped(count)} ${what}`)
  const head = [
    `${amount(stats.received, 'packet')} received`,
    `${grouped(stats.delivered)} delivered`,
    ...named,
    ...(lost === 0 ? ['none lost'] : []),
  ]
  return `${head.join(', ')}\n${interfaceTable(stats)}${aheadOfRing(stats)}`
}

function interfaceTable(stats: CaptureStats): string {
  const busy = stats.interfaces.filter((one) => one.delivered > 0 || (one.received ?? 0) > 0 || (one.dropped ?? 0) > 0)
  if (busy.length < 2) return ''
  // The classic form of the filter does not count what comes and what is dropped by interface.
  const columns = (['received', 'delivered', 'dropped', 'bytes'] as const).filter((column) =>
    busy.some((one) => one[column] !== undefined),
  )
  return table([
    ['interface', ...columns],
    ...busy.map((one) => [oneLine(one.name), ...columns.map((column) => one[column])]),
  ])
}

/** Losses that no capture can see: in devices and in the processors' queues. */
function aheadOfRing(stats: CaptureStats): string {
  const lines: string[] = []
  for (const { name, device } of stats.interfaces) {
    if (!device) continue
    const lost = Object.entries(device).filter(([, count]) => count > 0)
    if (lost.length > 0)
      lines.push(`${oneLine(name)}, in the device: ${lost.map(([cause, count]) => `${cause} ${count}`).join(', ')}\n`)
  }
  if (stats.softnet && stats.softnet.dropped > 0)
    lines.push(`in the processors' queues: ${stats.softnet.dropped} dropped\n`)
  return lines.join('')
}
