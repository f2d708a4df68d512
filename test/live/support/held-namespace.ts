import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { assertInside } from './namespace.js'

/** A further network namespace, held by a process that does nothing else. */
export interface HeldNamespace {
  /** Of the holding process: names the namespace in all helpers and in `ip link set … netns PID`. */
  readonly pid: number
  /** For `Capture.open({ netns })`. */
  readonly path: string
  /** Ends the holder; the namespace goes with it, if nobody else is in it. */
  close(): Promise<void>
}

/** The file of the network namespace that the process with this pid is in. */
export function netnsPath(pid: number): string {
  return `/proc/${pid}/ns/net`
}

/**
 * Makes a second network namespace, like the test's own: loopback up, IPv6 off. It is gone when the test is, at the
 * latest.
 */
export async function addNamespace(): Promise<HeldNamespace> {
  assertInside()
  const script =
    'for scope in all default; do echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/$scope/disable_ipv6; done 2>/dev/null; ' +
    'ip link set lo up; echo ready; exec cat'
  // Its standard input ends with this process, however that ends, and so does cat.
  const child = spawn('unshare', ['-n', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const ended = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), ended])
  if (String(first[0]).trim() !== 'ready') throw new Error(`no second network namespace: ${said.trim()}`)
  // It must not keep the test from ending.
  const handles = [child, child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[]
  for (const handle of handles) handle.unref()
  const pid = child.pid as number
  return {
    pid,
    path: netnsPath(pid),
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        for (const handle of handles) handle.ref()
        child.stdin.end()
        await ended
      }
    },
  }
}
