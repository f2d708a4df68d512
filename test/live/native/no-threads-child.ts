/** Tries every call that makes a thread, first with none allowed, then with threads. Prints the results as JSON. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Capture,
  CaptureError,
  compileFilter,
  convertFiles,
  Injector,
  listInterfaces,
  openFile,
  replay,
  watchInterfaces,
} from 'ringtap'

const folder = process.argv[2] ?? ''
const input = join(folder, 'input.pcap')
const own = '/proc/self/ns/net'
const interfaces = 'eth0'
const ring = { memory: 8 << 20 }

const capture = await Capture.open({ interfaces, ring })
const closed = await Capture.open({ interfaces, ring })
const injector = await Injector.open(interfaces)
// Filters longer than a certain length are optimised in a thread with a large stack.
const long = `port 53${' '.repeat(2048)}`

const attempts: Record<string, () => unknown> = {
  'Capture.open': async () => await (await Capture.open({ interfaces, ring })).close(),
  'Capture.open, ring.count': async () =>
    await (await Capture.open({ interfaces, ring: { ...ring, count: 3 } })).close(),
  'Capture.open, backend pcap': async () => await (await Capture.open({ interfaces, backend: 'pcap' })).close(),
  'Capture.open, netns': async () => await (await Capture.open({ interfaces, ring, netns: own })).close(),
  'capture.record': async () => await (await capture.record({ path: join(folder, 'recorded.pcapng') })).stop(),
  'capture.setFilter': () => capture.setFilter(long),
  openFile: async () => await (await openFile(input)).close(),
  convertFiles: () => convertFiles([input], join(folder, 'converted.pcapng')),
  replay: () => replay(input, { interface: 'eth0' }),
  watchInterfaces: () => watchInterfaces().close(),
  'watchInterfaces, netns': () => watchInterfaces({ netns: own }).close(),
  listInterfaces: () => listInterfaces({ netns: own }),
  'Injector.open, netns': async () => await (await Injector.open('eth0', { netns: own })).close(),
  compileFilter: () => compileFilter(long),
}

async function tryAll(): Promise<object> {
  const results: Record<string, unknown> = {}
  for (const [what, attempt] of Object.entries(attempts)) {
    try {
      await attempt()
      results[what] = 'done'
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error
      const { code, syscall, errno } = error
      results[what] = { code, syscall, errno }
    }
  }
  return results
}

/** The types of the open descriptors, without the inode numbers that differ between sockets. */
function descriptors(): string[] {
  const names = readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`).replace(/\d+| \(deleted\)/g, '')]
    } catch {
      return [] // the descriptor of the directory being read
    }
  })
  return names.sort()
}

/**
 * Sets the soft limit of threads of this process: now, or when the returned function is called, which works even when
 * no further process can be made.
 */
function limit(threads: string): () => Promise<void> {
  const command = `read line && exec prlimit --pid ${process.pid} --nproc=${threads}:`
  const child = spawn('sh', ['-c', command], { stdio: ['pipe', 'inherit', 'inherit'] })
  return async () => {
    const ended = once(child, 'exit')
    child.stdin.end('now\n')
    const [code] = await ended
    if (code !== 0) throw new Error(`prlimit ended with ${code}`)
  }
}

// libuv makes the threads of its pool on first use, and aborts if that fails.
await Promise.all(Array.from({ length: 16 }, () => stat('/')))
const usual = /^Max processes +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? ''
const forbid = limit('1')
const allow = limit(usual)
await forbid()
await Promise.all([closed.close(), injector.close()]) // need no thread
const before = descriptors()
const refused = await tryAll()
const after = descriptors()
const files = readdirSync(folder).sort()
await allow()
const allowed = await tryAll()
await capture.close()
console.log(JSON.stringify({ refused, before, after, files, allowed, filesAfter: readdirSync(folder).sort() }))
