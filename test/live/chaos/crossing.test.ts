// Combines every stage of a capture's life with its end: reads, recordings, sends and changes of the filter and of the
// address sets are in progress while the capture is stopped, closed or aborted. Every promise is settled in time, with
// a value, a CaptureError or the reason of the abort; no resource is left open. The process may also exit at any time.
//
// RINGTAP_CHAOS_SEED repeats the decisions of an earlier run.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Capture, CaptureError, inject, type Recording } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { tcp } from '../support/connections.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { descriptors, settle } from '../support/process.js'
import { expectedFrame } from '../support/send.js'
import { patience, sleep, within } from '../support/wait.js'
import { backends } from '../support/ways.js'
import { Random } from './random.js'

t.setTimeout(240_000 * patience)
const seed = Number(process.env['RINGTAP_CHAOS_SEED'] ?? Date.now() % 2 ** 32)
t.comment(`RINGTAP_CHAOS_SEED=${seed}`)
const random = new Random(seed)
const folder = new TestFolder(t)
const reason = new Error('aborted by the test')
addVeth('eth0', 'far0')

/** Runs one capture from open to end. Returns a description of each fault. */
async function live(): Promise<string[]> {
  const wrong: string[] = []
  const pending: Promise<unknown>[] = []
  const begin = (what: string, act: () => unknown) => {
    const settled = (async () => act())().catch((error: unknown) => {
      if (!(error instanceof CaptureError) && error !== reason) wrong.push(`${what}: ${String(error)}`)
    })
    pending.push(within(settled, what).catch((error: unknown) => wrong.push(String(error))))
    return settled
  }
  const abort = new AbortController()
  const recordings: Recording[] = []
  const backend = random.pick(backends)
  const opening = Capture.open({
    backend,
    interfaces: random.pick(['eth0', { include: '^(eth|far)', hotplug: true }]),
    signal: abort.signal,
    ring: { memory: 1 << 21, ...(backend === 'ring' && random.chance(0.3) && { count: 2 }) },
    overflow: { memory: 1 << 21 },
    chunk: { maxDelay: random.pick([1, 20]), copy: random.chance(0.3) },
  })
  if (random.chance(0.1)) setImmediate(() => abort.abort(reason))
  await begin('open', () => opening)
  const capture = await opening.catch(() => undefined)
  if (capture === undefined) return wrong
  capture.on('warning', () => {})

  const acts: (() => void | Promise<void>)[] = [
    () =>
      void begin('an iteration', async () => {
        for await (const chunk of capture) {
          if (random.chance(0.1)) break
          if (random.chance(0.2)) chunk.retain().release()
          chunk.forEach(() => {})
        }
      }),
    () =>
      void begin('several calls of next()', async () => {
        const iterator = capture[Symbol.asyncIterator]()
        await Promise.all([iterator.next(), iterator.next(), iterator.return?.()])
      }),
    () => void begin('setFilter', () => capture.setFilter(random.pick(['ip', undefined, 'udp port 9', 'port eighty']))),
    () => void begin('setHosts', () => capture.setHosts({ exclude: ['192.0.2.1'] })),
    () =>
      void begin('setConnections', () =>
        capture.setConnections(random.pick([[], tcp('192.0.2.1', 1, '192.0.2.2', 2)])),
      ),
    () =>
      void begin('record', async () => {
        const recording = await capture.record({ path: folder.fresh(), rotate: { packets: 100 } })
        recordings.push(recording)
        if (random.chance(0.5)) await recording.stop()
      }),
    () =>
      void begin('inject', () =>
        inject(
          random.pick(['eth0', 'far0']),
          range(0, 200).map((n) => expectedFrame(n)),
        ),
      ),
    () => void capture.stats(),
    () => sleep(random.between(0, 8)),
  ]
  const ends: (() => void | Promise<void>)[] = [
    () => void begin('stop', () => capture.stop()),
    () => void begin('close', () => capture.close()),
    () => abort.abort(reason),
  ]
  for (let left = random.between(0, 12); left > 0; left--) {
    await random.pick(left < 4 && random.chance(0.3) ? ends : acts)()
  }
  void begin('close at the end', () => capture.close())
  await Promise.all(pending)
  for (const recording of recordings) await begin('the end of a recording', () => recording.stop())
  await Promise.all(pending)
  return wrong
}

t.test(`stop, close and abort work at any moment (RINGTAP_CHAOS_SEED=${seed})`, async (t) => {
  await Promise.all(range(0, 6).map(live)) // allocates what Node keeps for the life of the process
  const before = await settle()
  const files = descriptors().sort()
  for (let round = 0; round < 40; round++) {
    const wrong = await Promise.all(range(0, 6).map(live))
    t.same(wrong.flat(), [], `round ${round}`)
  }
  t.same(descriptors().sort(), files, 'no descriptor is left')
  const after = await settle()
  t.same([after.threads, after.rings], [before.threads, before.rings], 'nor a thread or a ring')
  t.same(folder.hidden(), [], 'every file of a recording is complete')
})

t.test('the process can end at any moment', async (t) => {
  const program = `
    import { Capture, inject, watchInterfaces } from 'ringtap'
    const [when, how, file] = process.argv.slice(1)
    const end = () => (how === 'exit' ? process.exit(0) : how === 'throw' ? queueMicrotask(() => { throw new Error('end') }) : process.kill(process.pid, how))
    if (when === '0') end()
    else setTimeout(end, Number(when))
    watchInterfaces({ initial: true })
    const capture = await Capture.open({ interfaces: 'eth0', ring: { memory: 1 << 21 }, chunk: { maxDelay: 1 } })
    await capture.record({ path: file, rotate: { packets: 100 } })
    void (async () => { for await (const chunk of capture) globalThis.held = [...chunk] })()
    for (;;) {
      void capture.setFilter('ip').catch(() => {})
      await inject('eth0', Array.from({ length: 100 }, () => new Uint8Array(100)))
    }`
  const expected = { exit: 0, throw: 1, SIGTERM: 'SIGTERM', SIGINT: 'SIGINT', SIGKILL: 'SIGKILL' } as const
  for (const [how, code] of Object.entries(expected)) {
    for (const when of [0, ...range(0, 5).map(() => random.between(1, 150))]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, String(when), how, folder.fresh()], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let said = ''
      child.stderr.on('data', (text) => (said += String(text)))
      const [status, signal] = await within(once(child, 'close'), `the end by ${how} after ${when} ms`, 60_000)
      t.equal(signal ?? status, code, `${how} after ${when} ms${how === 'throw' ? '' : `: ${said.slice(0, 400)}`}`)
    }
  }
})
