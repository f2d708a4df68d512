/**
 * Starts workers that call one entry point of the library repeatedly, and terminates each at a random moment of its
 * first 40 ms. Prints the resources of this process before and after.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { descriptors, settle } from '../support/process.js'

const [entry = '', folder = '', rounds = '1'] = process.argv.slice(2)
const script = new URL('terminated-worker.js', import.meta.url)

async function terminate(round: number): Promise<void> {
  const worker = new Worker(script, { workerData: { entry, folder, round } })
  const failed = once(worker, 'error').then(([error]) => {
    throw error
  })
  failed.catch(() => {})
  await Promise.race([once(worker, 'message'), failed])
  await sleep(Math.random() * 40) // no condition: at any moment
  await worker.terminate()
}

/** Runs two workers at a time. */
async function run(from: number, to: number): Promise<void> {
  let next = from
  const lane = async () => {
    while (next < to) await terminate(next++)
  }
  await Promise.all([lane(), lane()])
}

await run(0, 2) // starts libuv's thread pool and the like
const before = { ...(await settle()), open: descriptors().sort() }
await run(2, 2 + Number(rounds))
const after = { ...(await settle()), open: descriptors().sort() }
console.log(JSON.stringify({ before, after }))
