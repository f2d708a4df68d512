import t, { type Test } from 'tap'
import { Accounts } from '../../src/sensor/accounts.js'
import { Forwarder } from '../../src/sensor/forwarder.js'
import { makeReport } from '../../src/sensor/report.js'
import { Spool } from '../../src/sensor/spool.js'
import { MemoryStore } from '../../src/sensor/spool-store.js'
import { States } from '../../src/sensor/states.js'
import { type SealedBatch, type Transport, TransportError } from '../../src/transport/transport.js'
import { noLosses } from '../../src/wire/batch-head.js'
import { reportSchema } from '../../src/wire/report.js'
import { silentLog as log } from '../support/silent-log.js'
import { until } from '../support/wait.js'

const boot = '0123456789abcdef'

function batchOf(sequence: number): SealedBatch {
  const head = { packets: 10, encoding: 'identity', first: 1n, last: 2n, lost: noLosses() } as const
  return { sensor: 'node-1', boot, sequence, head, bytes: Buffer.alloc(100) }
}

/** As a spool on disk, where a removal takes until {@link release}. */
class SlowStore extends MemoryStore {
  override readonly lasting: boolean = true
  removing = 0
  release = () => {}
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve
  })

  override async remove(name: string): Promise<void> {
    this.removing++
    await this.#released
    await super.remove(name)
  }
}

function forwarderWith(t: Test, send: Transport['send'], store = new MemoryStore()) {
  const [accounts, states] = [new Accounts(), new States(log)]
  const spool = new Spool(store, { bytes: 1e8, minimumFree: 0, startedAt: 1, accounts, log })
  const forwarder = new Forwarder({
    transport: { window: 4, maximumBytes: 1e6, send, report: send, close: async () => {} } as Transport,
    limit: { bytes: 0, packets: 0, action: 'wait' },
    onAnswer: () => {},
    memory: 1e8,
    firstDelay: 1,
    ...{ spool, accounts, states, log },
  })
  t.teardown(() => forwarder.finish(AbortSignal.abort()))
  return { accounts, states, spool, forwarder }
}

for (const outcome of ['stored', 'refused for good'] as const) {
  t.test(`a batch that is ${outcome} is in no figure twice while its file is removed`, async (t) => {
    const store = new SlowStore()
    t.teardown(() => store.release())
    const send = async () => {
      if (outcome !== 'stored') throw new TransportError('refused', false)
      return { outcome, time: 1 }
    }
    const { forwarder, ...parts } = forwarderWith(t, send, store)
    await forwarder.offer(batchOf(0))
    await until(() => store.removing === 1)
    const self = { name: 'node-1', version: '1', boot, startedAt: 1 }
    const source = { stats: undefined, spoolLimit: 1e8, forwarder, ...parts }
    const report = makeReport(self, source, { final: false, free: 1, cuts: [] }, () => undefined)
    t.equal(reportSchema.safeParse(report).error, undefined)
    const none = { batches: 0, packets: 0, bytes: 0 }
    t.match(report, { totals: { spooled: none, waiting: none }, spool: none })
    t.equal(report.totals.stored.packets + report.lost.refused, 10)
    let finished = false
    const finish = forwarder.finish(new AbortController().signal).then(() => {
      finished = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    t.notOk(finished, 'the end waits for the removal')
    store.release()
    await finish
  })
}

t.test('a batch that is never taken does not hold up the others, once the collector answers otherwise', async (t) => {
  for (const answered of [true, false]) {
    const tries: number[] = []
    const { forwarder, accounts, spool } = forwarderWith(t, async ({ sequence }) => {
      tries.push(sequence)
      if (sequence === 0) throw new TransportError('write EPIPE', true, undefined, { answered })
      return { outcome: 'stored', time: 1 }
    })
    for (let sequence = 0; sequence < 5; sequence++) await forwarder.offer(batchOf(sequence))
    await until(() => tries.filter((sequence) => sequence === 0).length > 3)
    if (!answered) forwarder.noteAnswer()
    await until(() => accounts.stored.batches === 4)
    t.equal(spool.held.batches, 1)
    t.equal(spool.oldest, 1n)
    await forwarder.finish(AbortSignal.abort())
  }
})

t.test('while nobody answers the order is kept', async (t) => {
  let away = true
  const taken: number[] = []
  const { forwarder } = forwarderWith(t, async ({ sequence }) => {
    taken.push(sequence)
    if (away) throw new TransportError('connect ECONNREFUSED', true)
    return { outcome: 'stored', time: 1 }
  })
  await forwarder.offer(batchOf(0))
  await until(() => taken.length > 0)
  await forwarder.offer(batchOf(1))
  await until(() => taken.length > 5)
  t.ok(taken.every((sequence) => sequence === 0))
  away = false
  await until(() => taken.includes(1))
  t.equal(taken.at(-2), 0)
})
