import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import { compileFilter } from 'ringtap'
import t from 'tap'

import { hosts } from '../helpers/addresses.js'

const url = new URL('../helpers/compiling-worker.js', import.meta.url)

t.test('a worker that compiles ends by itself', async (t) => {
  const worker = new Worker(url, { execArgv: [], workerData: ['tcp port 80', 'arp'] })
  const exit = once(worker, 'exit') // it may come while this thread compiles
  t.same((await once(worker, 'message'))[0], 'compiling')
  const [listings] = await once(worker, 'message')
  t.equal(listings[1], (await compileFilter('arp')).listing)
  t.same(await exit, [0])
})
// No code takes the result of the compilation: the address sanitizer verifies that it is freed anyway.
t.test('a worker can be terminated while it compiles', async (t) => {
  for (let i = 0; i < 5; i++) {
    const worker = new Worker(url, { execArgv: [], workerData: Array(6).fill(hosts(60)).concat('syntax error') })
    await once(worker, 'message')
    t.equal(await worker.terminate(), 1)
  }
  t.ok(await compileFilter('ip'), 'the others go on')
})
