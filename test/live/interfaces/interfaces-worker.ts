// A worker that goes on until it is terminated: watches, or lists ('list') or opens and closes ('open') without end.
import { parentPort } from 'node:worker_threads'
import { listInterfaces, watchInterfaces } from 'ringtap'

const watcher = watchInterfaces()
parentPort?.postMessage(watcher.interfaces.length)
while (process.argv[2] === 'list') listInterfaces()
while (process.argv[2] === 'open') await watchInterfaces({ initial: true }).close()
for await (const event of watcher) parentPort?.postMessage(event.type)
