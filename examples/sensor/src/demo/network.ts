// Network namespaces and interfaces, made with unshare(1), nsenter(1) and ip(8). Nothing of it outlives the program.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Runs commands of ip(8), one a line, in this namespace or that of a process. */
export function ip(lines: readonly string[], namespace?: number): void {
  const [command, ...args] = inside(namespace, ['ip', '-batch', '-'])
  const { status, stderr, error } = spawnSync(command, args, { input: `${lines.join('\n')}\n`, encoding: 'utf8' })
  if (error) throw new Error(`ip cannot be run, it is part of iproute2: ${error.message}`)
  if (status !== 0) throw new Error(`ip: ${stderr.trim()}`)
}

/** A command that runs in the namespace of a process; without one, in this namespace. */
export function inside(namespace: number | undefined, command: readonly string[]): [string, ...string[]] {
  const words = namespace === undefined ? [] : ['nsenter', `--net=/proc/${namespace}/ns/net`, '--']
  return [...words, ...command] as [string, ...string[]]
}

/** A further network namespace, which lasts as long as this program. */
export interface Namespace {
  /** A process in it: `netns PID`. */
  readonly pid: number
  close(): Promise<void>
}

export async function addNamespace(): Promise<Namespace> {
  const script =
    'for s in all default; do echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6; done 2>/dev/null; ip link set lo up; echo; exec cat'
  // cat ends with its standard input, which the kernel closes however this program ends.
  const child: ChildProcess = spawn('unshare', ['-n', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout!, 'data'), ended])
  if (child.exitCode !== null) throw new Error('no further network namespace can be made')
  // They do not keep this program from ending.
  const handles = [child, child.stdin, child.stdout] as unknown as { ref(): void; unref(): void }[]
  for (const handle of handles) handle.unref()
  return {
    pid: child.pid!,
    async close() {
      for (const handle of handles) handle.ref()
      child.stdin!.end()
      if (child.exitCode === null) await ended
    },
  }
}

/** The kernel's counts of frames of an interface. */
export interface Frames {
  /** Seen by a capture: received, sent, and those that the interface was to send and dropped for want of room. */
  readonly seen: number
  /** Of these, those that it dropped. */
  readonly dropped: number
}

/** The counts of each interface of this process's namespace. */
export function countFrames(): Map<string, Frames> {
  const frames = new Map<string, Frames>()
  for (const line of readFileSync('/proc/net/dev', 'latin1').split('\n').slice(2)) {
    const [name = '', figures = ''] = line.trim().split(/:\s*/)
    const [received = 0, sent = 0, dropped = 0] = [1, 9, 11].map((column) => Number(figures.split(/\s+/)[column]))
    if (name !== '') frames.set(name, { seen: received + sent + dropped, dropped })
  }
  return frames
}
