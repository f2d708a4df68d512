// Sends that wait or go on for ever, and what ends them: maxWait, an abort, close(), the end of their worker.
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { Injector, inject } from 'ringtap'
import { expectedFrame } from '../support/frame.js'
import t from '../support/live.js'
import { addVeth, del } from '../support/network.js'
import { collectGarbage, descriptors, settle } from '../support/process.js'
import { sleep, waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

const frames = (count: number, options: Parameters<typeof expectedFrame>[1] = {}, start = 0) =>
  Array.from({ length: count }, (_, i) => expectedFrame(start + i, options))

addVeth('slow0', 'slow1')
// A token bucket that passes two frames of 1000 bytes and then practically none.
const tbf = spawnSync('tc', 'qdisc add dev slow0 root tbf rate 8bit burst 2100 limit 3000'.split(' '))
const noTbf = tbf.status === 0 ? false : 'tc makes no tbf queue here: a full queue cannot be tried'

t.test('frames for a queue that stays full are refused after maxWait', { skip: noTbf }, async (t) => {
  await using injector = await Injector.open('slow0', { maxWait: 50 })
  const { sent, refused, refusals } = await injector.send(frames(100, { size: 1000 }))
  // Two frames pass, and the queue holds as many as its limit allows.
  t.ok(sent >= 2 && sent < 10, `${sent} sent`)
  t.equal(sent + refused, 100)
  t.match(refusals, [{ cause: 'no-room', errorName: 'ENOBUFS', count: 100 - sent, positions: [sent, sent + 1] }])
  await injector.close()

  await using patient = await Injector.open('slow0', { maxWait: 3_600_000 })
  const controller = new AbortController()
  const sending = patient.send(frames(100, { size: 1000 }), { signal: controller.signal })
  // Nothing shows from outside that a send waits. Earlier, the abort has the same effect: the test then finds less.
  setTimeout(() => controller.abort(new Error('enough')), 30)
  await t.rejects(sending, { message: 'enough' }, 'an abort ends the wait')
  const other = patient.send(frames(100, { size: 1000 }))
  setTimeout(() => void patient.close(), 30)
  await t.rejects(other, { code: 'ERR_CLOSED' }, 'and so does close')
  await patient.close()
  del('slow0')
})

t.test('an abort ends a send at once and leaks nothing', async (t) => {
  await collectGarbage()
  await inject('eth0', expectedFrame(0))
  const before = await settle()
  const open = descriptors().sort()
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController()
    const endless = (function* (): Generator<Uint8Array> {
      for (;;) yield expectedFrame(0)
    })()
    const sending = inject('eth0', endless, { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), i) // no condition: at any moment
    await t.rejects(sending, { message: 'enough' })
  }
  for (let i = 0; i < 20; i++) await Injector.open('eth0') // dropped without close()
  await waitUntil(
    async () => {
      await collectGarbage()
      return descriptors().length === open.length
    },
    'forgotten injectors to be collected',
    20_000,
    descriptors,
  )
  t.strictSame(descriptors().sort(), open)
  t.equal((await settle()).threads, before.threads)
})

t.test('a worker can be terminated while it sends', async (t) => {
  const code = `
    import { Injector } from 'ringtap'
    import { parentPort } from 'node:worker_threads'
    const injector = await Injector.open('eth0')
    parentPort.postMessage('open')
    await injector.send((function* () { for (;;) yield new Uint8Array(64) })())`
  const url = new URL(
    `data:text/javascript,${encodeURIComponent(code.replace("'ringtap'", `'${import.meta.resolve('ringtap')}'`))}`,
  )
  const before = descriptors().sort()
  for (let i = 0; i < 4; i++) {
    const worker = new Worker(url, { execArgv: [] })
    t.teardown(() => worker.terminate())
    worker.on('error', (error) => t.fail(error.message))
    await new Promise((resolve) => worker.once('message', resolve))
    await sleep(2 * i) // no condition: at any moment
    await worker.terminate()
  }
  await waitUntil(() => descriptors().length <= before.length + 3, 'descriptors to be closed', 20_000, descriptors)
  t.pass('and so does the process')
})
