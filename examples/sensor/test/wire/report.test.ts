import t from 'tap'
import { noLosses } from '../../src/wire/batch-head.js'
import { reportSchema } from '../../src/wire/report.js'

const amount = { batches: 0, packets: 0, bytes: 0 }
const report = {
  name: 'node-1',
  host: 'node-1.example',
  version: '0.1.0',
  boot: '0123456789abcdef',
  startedAt: 1_700_000_000_000,
  time: 1_700_000_001_000,
  final: false,
  interfaces: [
    { name: 'eth0', index: 2, present: true, selected: true, delivered: 5, bytes: 500, truncated: 0, unselected: 0 },
  ],
  totals: { captured: 5, recovered: amount, stored: amount, spooled: amount, waiting: amount },
  lost: noLosses(),
  spool: { batches: 0, packets: 0, bytes: 0 },
  lag: 0,
  retries: 0,
  lossRatio: 0,
  states: [],
  cuts: [],
}

t.test('a report survives JSON', (t) => {
  t.strictSame(reportSchema.parse(JSON.parse(JSON.stringify(report))), report)
  t.end()
})

t.test('each loss has its cause, and figures are counts', (t) => {
  const refused = (changes: object) => t.notOk(reportSchema.safeParse({ ...report, ...changes }).success)
  refused({ lost: { ...noLosses(), ring: -1 } })
  refused({ lost: { ring: 1 } })
  refused({ lag: 0.5 })
  refused({ lossRatio: 2 })
  refused({ boot: 'one' })
  refused({ totals: { ...report.totals, captured: '5' } })
  t.end()
})
