import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { assertInside } from './namespace.js'

/** An additional network namespace, kept alive by an otherwise idle process. */
export interface HeldNamespace {
  /** pid of the holding process; identifies the namespace in all helpers and in `ip link set … netns PID`. */
  readonly pid: number
  /** For `Capture.open({ netns })`. */
  readonly path: string
  /** Ends the holding process; the kernel removes the namespace when no other process is in it. */
  close(): Promise<void>
}

/** Path of the network namespace of the process with this pid. */
export function netnsPath(pid: number): string {
  return `/proc/${pid}/ns/net`
}

/**
 * Makes an additional network namespace with the same settings as the test's own: loopback up, IPv6 off. It is
 * removed at the end of the test at the latest.
 */
export async function addNamespace(): Promise<HeldNamespace> {
  assertInside()
  const script =
    'for scope in all default; do echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/$scope/disable_ipv6; done 2>/dev/null; ' +
    'ip link set lo up; echo ready; exec cat'
  // cat ends at the end of its standard input, which the kernel closes however this process ends.
  const child = spawn('unshare', ['-n', 'sh', '-c', script], {
    env: witnessEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const ended = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), ended])
  if (String(first[0]).trim() !== 'ready') throw new Error(`no second network namespace: ${said.trim()}`)
  // The child must not keep the event loop alive.
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
