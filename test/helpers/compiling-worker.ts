// Compiles `workerData` repeatedly, and posts a message once the first compilation has started.
import { parentPort, workerData } from 'node:worker_threads'

import { compileFilter } from 'ringtap'

const expressions = workerData as string[]
const compiling = Promise.all(expressions.map((expression) => compileFilter(expression)))
parentPort?.postMessage('compiling')
parentPort?.postMessage((await compiling).map((filter) => filter.listing))
