// A worker that watches until it is terminated.
import { parentPort } from 'node:worker_threads'
import { watchInterfaces } from 'ringtap'

const watcher = watchInterfaces()
parentPort?.postMessage(watcher.interfaces.length)
for await (const event of watcher) parentPort?.postMessage(event.type)
