import type { CaptureStats } from 'ringtap'

/** Describes each imbalance of a ledger; empty if it balances. Only valid while no packets arrive. */
export function imbalances(stats: CaptureStats): string[] {
  const wrong: string[] = []
  const equal = (what: string, left: number, right: number) => {
    if (left !== right) wrong.push(`${what}: ${left} is not ${right}`)
  }
  const { received, delivered, droppedByRing, droppedByOverflow, droppedByRecorder } = stats
  const { unselected, malformed, interfaces } = stats
  equal('nothing is queued', stats.queued, 0)
  const lost = droppedByRing + droppedByOverflow + droppedByRecorder + malformed
  equal('received', received, delivered + lost + unselected)
  const sum = (of: (one: CaptureStats['interfaces'][number]) => number) =>
    interfaces.reduce((all, one) => all + of(one), 0)
  for (const term of ['delivered', 'bytes', 'unselected', 'truncated', 'duplicates'] as const) {
    equal(
      `sum of ${term}`,
      sum((one) => one[term]),
      stats[term],
    )
  }
  for (const one of interfaces) equal(`${one.name} has nothing queued`, one.queued, 0)
  if (stats.ring.table !== 'classic') {
    equal(
      'sum of received',
      sum((one) => one.received ?? Number.NaN),
      received,
    )
    equal(
      'sum of dropped',
      sum((one) => one.dropped ?? Number.NaN),
      droppedByRing + droppedByOverflow + malformed,
    )
    for (const one of interfaces) {
      equal(
        `received of ${one.name}`,
        one.received ?? Number.NaN,
        one.delivered + (one.dropped ?? 0) + one.droppedByRecorder + one.unselected,
      )
    }
  } else {
    for (const one of interfaces) {
      if (one.received !== undefined || one.dropped !== undefined) wrong.push(`${one.name}: a guess of ${one.received}`)
    }
  }
  return wrong
}
