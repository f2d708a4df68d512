// The life of a watcher: iterations, arguments, garbage collection, workers.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { CaptureError, listInterfaces, watchInterfaces } from 'ringtap'
import t from '../support/live.js'
import { ip } from '../support/network.js'
import { collectGarbage } from '../support/process.js'
import { patience, waitUntil } from '../support/wait.js'
import { descriptors, held, settle, threads } from '../support/watching.js'

t.setTimeout(120_000 * patience)

t.test('with initial, present interfaces come first as added', async (t) => {
  await using watcher = watchInterfaces({ initial: true })
  const events = await settle(watcher)
  t.strictSame(
    events.map((event) => [event.type, event.interface]),
    listInterfaces().map((one) => ['added', one]),
  )
})

t.test('close(), break and an abort end an iteration', async (t) => {
  await t.test('close() ends a pending wait', async (t) => {
    await using watcher = watchInterfaces()
    const waiting = watcher[Symbol.asyncIterator]().next()
    const closed = watcher.close()
    t.equal(watcher.close(), closed, 'idempotent')
    t.strictSame(await waiting, { done: true, value: undefined })
    await closed
    t.strictSame(await watcher[Symbol.asyncIterator]().next(), { done: true, value: undefined })
    await watcher.close()
  })
  await t.test('break closes the watcher', async (t) => {
    const before = descriptors()
    await using watcher = watchInterfaces({ initial: true })
    for await (const _ of watcher) break
    t.equal(descriptors(), before)
    t.strictSame(await watcher[Symbol.asyncIterator]().next(), { done: true, value: undefined })
  })
  await t.test('an abort rejects with its reason', async (t) => {
    const controller = new AbortController()
    await using watcher = watchInterfaces({ signal: controller.signal })
    const iterator = watcher[Symbol.asyncIterator]()
    const waiting = iterator.next()
    const reason = new Error('enough')
    controller.abort(reason)
    await t.rejects(waiting, reason)
    t.strictSame(await iterator.next(), { done: true, value: undefined })
    await watcher.close()
    t.throws(() => watchInterfaces({ signal: controller.signal }), reason)

    const early = new AbortController()
    await using other = watchInterfaces({ signal: early.signal })
    early.abort()
    await t.rejects(other[Symbol.asyncIterator]().next(), { name: 'AbortError' }, 'told to the first who asks')
    await other.close()
  })
})

t.test('wrong arguments are refused', async (t) => {
  const refused: [unknown, RegExp][] = [
    [null, /options must be an object; got null/],
    ['lo', /options must be an object; got the string "lo"/],
    [{ maxQueue: 0 }, /options.maxQueue must be an integer from 1 to 16777216; got the number 0/],
    [{ maxQueue: 1.5 }, /options.maxQueue/],
    [{ maxQueue: '7' }, /options.maxQueue/],
    [{ initial: 1 }, /options.initial must be a boolean; got the number 1/],
    [{ signal: {} }, /options.signal must be an AbortSignal/],
    [{ netns: '/run/netns/none-such' }, /netns .* cannot be opened/],
    [{ netns: 5 }, /netns must be the path/],
    [{ maxqueue: 7 }, /no option "maxqueue"/],
  ]
  for (const [options, message] of refused) {
    t.throws(() => watchInterfaces(options as never), { code: 'ERR_OPTION', message })
  }
  t.throws(() => watchInterfaces(null as never), CaptureError)
  await watchInterfaces({ signal: undefined, initial: undefined, maxQueue: undefined }).close()
})

t.test('closed and collected watchers leave nothing open', async (t) => {
  await watchInterfaces().close()
  const before = await held()
  for (let i = 0; i < 200; i++) await watchInterfaces().close()
  t.strictSame(await held(), before, 'closed')

  for (let i = 0; i < 200; i++) listInterfaces()
  t.strictSame(await held(), before, 'listed')

  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 20; i++) watchInterfaces()
  await waitUntil(
    () => {
      gc()
      return threads() <= before.threads && descriptors() <= before.descriptors
    },
    'those that were forgotten to be collected',
    undefined,
    () => [descriptors(), threads()],
  )
})

t.test('a watcher with a pending wait is not collected', async (t) => {
  const got = (async () => {
    for await (const event of watchInterfaces()) return event.interface.name
    return undefined
  })()
  for (let i = 0; i < 5; i++) await collectGarbage()
  ip('link', 'add', 'kept', 'type', 'bridge')
  t.equal(await got, 'kept')
  ip('link', 'del', 'kept')
})

t.test('a worker can be terminated while it watches', async (t) => {
  const file = new URL('./interfaces-worker.js', import.meta.url)
  const before = await held()
  for (let i = 0; i < 10; i++) {
    const worker = new Worker(file, { execArgv: [] })
    t.teardown(() => worker.terminate())
    await once(worker, 'message')
    if (i % 2 === 0) {
      ip('link', 'add', 'w0', 'type', 'bridge')
      t.strictSame(await once(worker, 'message'), ['added'])
    }
    const stopped = worker.terminate()
    if (i % 2 === 0) ip('link', 'del', 'w0')
    await stopped
  }
  // Terminate at any point: listing, opening, closing, converting events to objects.
  for (let i = 0; i < 30; i++) {
    const worker = new Worker(file, { execArgv: [], argv: [i % 2 === 0 ? 'list' : 'open'] })
    t.teardown(() => worker.terminate())
    await once(worker, 'message')
    await sleep(i) // no condition: at any moment
    await worker.terminate()
  }
  const after = await held()
  t.ok(after.threads <= before.threads)
  t.ok(after.descriptors <= before.descriptors)
})

t.test('only a pending wait keeps the process alive', async (t) => {
  const run = (code: string): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['--input-type=module', '-e', `import { watchInterfaces } from 'ringtap'; ${code}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  t.match(run(`watchInterfaces(); console.log('end')`), { status: 0, stdout: 'end\n' })
  t.match(run(`await watchInterfaces().close(); console.log('end')`), { status: 0, stdout: 'end\n' })

  const waiting = `import { watchInterfaces } from 'ringtap'
    setImmediate(() => console.log('waiting'))
    for await (const event of watchInterfaces()) { console.log(event.type, event.interface.name); break }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', waiting], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const ended = once(child, 'close')
  // The interface comes only when the process waits for nothing else (or has ended, which it must not).
  const idle = () =>
    child.exitCode !== null || (stdout !== '' && readFileSync(`/proc/${child.pid}/stat`, 'latin1').includes(') S '))
  await waitUntil(idle, 'the process to wait for an event')
  ip('link', 'add', 'late', 'type', 'bridge')
  t.strictSame(await ended, [0, null])
  ip('link', 'del', 'late')
  t.equal(stdout, 'waiting\nadded late\n')
})
