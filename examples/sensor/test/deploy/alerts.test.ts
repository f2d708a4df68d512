// The alert rules, against the metrics that sensor and collector really have, and the values that they can have.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { IPrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { MemoryBudget } from '../../src/collector/memory-budget.js'
import { Metrics as CollectorMetrics } from '../../src/collector/metrics.js'
import { lossLimits } from '../../src/collector/sensors/alerts.js'
import { SensorBook } from '../../src/collector/sensors/sensor-book.js'
import { Store } from '../../src/collector/store/store.js'
import { Metrics as SensorMetrics } from '../../src/sensor/metrics.js'
import { refusals } from '../../src/wire/answer.js'
import { lossCauses } from '../../src/wire/batch-head.js'
import { reportSchema } from '../../src/wire/report.js'
import { makeReport } from '../collector/support/reports.js'
import { deploy } from '../support/places.js'

const file = path.join(deploy, 'kubernetes/monitoring/prometheus-rule.yaml')
const { spec } = parse(readFileSync(file, 'utf8')) as IPrometheusRule
const rules = spec!.groups!.flatMap((group) => group.rules!)

const stateNames = reportSchema.shape.states.element.shape.name.options

/** The names of the metrics, and of each the labels. */
async function metrics(t: Test): Promise<Map<string, Set<string>>> {
  const states = stateNames.map((name) => ({ name, active: true, entered: 1, lasted: 1, detail: '' }))
  const report = makeReport({ states, lossRatio: 0.06, spool: { batches: 0, packets: 0, bytes: 0, limit: 9, free: 9 } })
  const directory = t.testdir()
  const store = await Store.open({ directory, minFree: 0 })
  const book = new SensorBook({ directory, silent: 60_000 })
  await book.note(report, 0, undefined)
  const collector = new CollectorMetrics(store, new MemoryBudget(1), book, '0')
  for (const reason of Object.keys(refusals)) collector.refused(reason)
  const text = (await new SensorMetrics(async () => report).text()) + (await collector.registry.metrics())
  const found = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const all = found.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) all.add(label)
    found.set(name, all)
  }
  return found
}

t.test('each rule is on metrics that exist, and on labels that they have', async (t) => {
  const found = await metrics(t)
  t.ok(found.size > 40)
  for (const { alert, expr, annotations } of rules) {
    const names = [...String(expr).matchAll(/\b(?:sensor|collector)_\w+/g)].map(([name]) => name)
    t.ok(names.length > 0, `${alert}: ${expr}`)
    for (const name of names) t.ok(found.has(name), `${alert}: ${name}`)
    const labels = new Set(['instance', ...names.flatMap((name) => [...(found.get(name) ?? [])])])
    const used = [
      ...String(expr).matchAll(/(\w+)(?:=|!)~?"/g),
      ...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g),
      ...[...String(expr).matchAll(/by \(([\w, ]+)\)/g)].flatMap(([, list = '']) => [...list.matchAll(/(\w+)/g)]),
    ].map(([, label]) => label!)
    for (const label of used) t.ok(labels.has(label), `${alert}: ${label}`)
    // An aggregation leaves the labels that it names: others would be empty in the text of the alert.
    const [, by] = /by \(([\w, ]+)\)/.exec(String(expr)) ?? []
    const shown = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!)
    if (by !== undefined) t.strictSame([...new Set(shown)].sort(), by.split(', ').sort(), alert!)
  }
})

t.test('values of labels are those that there are', (t) => {
  const values: Readonly<Record<string, readonly string[]>> = {
    cause: lossCauses,
    state: stateNames,
    kind: ['loss', 'silent', 'behind', 'degraded'],
  }
  let checked = 0
  for (const { expr } of rules) {
    for (const [, label = '', text = ''] of String(expr).matchAll(/(\w+)(?:=|!=|=~|!~)"([^"]*)"/g)) {
      for (const value of text.split('|')) t.ok(values[label]?.includes(value), `${label}: ${value}`)
      checked++
    }
  }
  t.ok(checked >= 4)
  t.end()
})

t.test("the limits are those of the collector's page", (t) => {
  const ratios = rules.flatMap(({ expr }) => /^sensor_loss_ratio > (.*)$/.exec(String(expr))?.[1] ?? [])
  t.strictSame(ratios.map(Number), [lossLimits.warning, lossLimits.alarm])
  t.end()
})

t.test('each has a severity, a name that no other limit has, and a text', (t) => {
  const seen = new Set<string>()
  for (const { alert, labels, annotations } of rules) {
    const { severity } = labels as { severity: string }
    t.ok(['info', 'warning', 'critical'].includes(severity), alert!)
    t.notOk(seen.has(`${alert} ${severity}`), alert!)
    seen.add(`${alert} ${severity}`)
    t.match(annotations, { summary: /./, description: /./ })
  }
  t.end()
})
