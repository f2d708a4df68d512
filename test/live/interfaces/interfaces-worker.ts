// A worker that watches, lists ('list') or opens and closes ('open') repeatedly until it is terminated.
import { parentPort } from 'node:worker_threads'
import { listInterfaces, watchInterfaces } from 'ringtap'

const watcher = watchInterfaces()
parentPort?.postMessage(watcher.interfaces.length)
while (process.argv[2] === 'list') listInterfaces()
while (process.argv[2] === 'open') await watchInterfaces({ initial: true }).close()
for await (const event of watcher) parentPort?.postMessage(event.type)
