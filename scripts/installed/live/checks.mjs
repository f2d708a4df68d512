// Live checks of the installed package that run alike under every runtime: `test:runtimes` runs this file in a network
// namespace with the veth pair left, right. Prints a line for each check, and then their number.
//
//   live/checks.mjs FOLDER   FOLDER is for files

import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Capture, inject } from 'ringtap'
import { captureChecks } from './capture.mjs'
import { fileChecks } from './files.mjs'
import { capture, equal, folder, frames } from './support.mjs'

const checks = {
  ...captureChecks,
  ...fileChecks,
  workers: async () => {
    const workers = Array.from(
      { length: 3 },
      () => new Worker(fileURLToPath(import.meta.url), { workerData: { folder, job: 'capture' } }),
    )
    const results = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      ),
    )
    equal(results.join(), '20,20,20', 'captured in each')
    await Promise.all(workers.map((worker) => worker.terminate()))
  },
  'workers that are terminated': async () => {
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { folder, job: 'forever' } })
      await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      await worker.terminate()
    }
    await capture({}, 10)
  },
}

/** In a worker: captures frames of its own kind, and for ever if it is to be terminated. */
async function work() {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter: 'ether proto 0x88b6' })
  let packets = 0
  if (workerData.job === 'forever') {
    parentPort.postMessage('begun')
    for await (const chunk of session) packets += chunk.packetCount
    return
  }
  // Each worker sees what every worker sends: only the first 20 are counted.
  const frame = frames(1)[0]
  frame[13] = 0xb6
  await inject(
    'left',
    Array.from({ length: 20 }, () => frame),
  )
  for await (const chunk of session) {
    packets += chunk.packetCount
    if (packets >= 20) break
  }
  await session.close()
  parentPort.postMessage(Math.min(packets, 20))
}

if (isMainThread) {
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    let timer
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('takes longer than 180 s')), 180_000)
      })
      await Promise.race([check(), late])
      console.log(`ok ${name}`)
    } catch (error) {
      failed++
      console.log(`not ok ${name}: ${error.stack ?? error}`)
    }
    clearTimeout(timer)
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`)
  process.exit(failed > 0 ? 1 : 0)
} else {
  await work()
}
