// A network namespace of the program's own.
import { spawn, spawnSync } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

/** Environment variable of the program inside: the namespace it was started from. */
const variable = 'RINGTAP_SENSOR_DEMO_OUTSIDE'
const own = () => readlinkSync('/proc/self/ns/net')

/** Messages to the program outside, and its answer. */
export interface Offer {
  /** A Unix socket to be reached by a port of 127.0.0.1. */
  readonly socket: string
}
export interface Port {
  readonly port: number
}

/** Whether this process was started by {@link enterNamespace}. */
export function isInside(): boolean {
  const outside = process.env[variable]
  if (outside === undefined || outside === own()) return false
  for (const scope of ['all', 'default']) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, '1')
    } catch {
      // There is no IPv6, or /proc/sys is read-only: the kernel sends a few packets of its own, which are counted.
    }
  }
  return true
}

/**
 * Runs a script in a new network namespace: as root or, for another user, as root of a new user namespace. It ends when
 * this process ends. Resolves to its exit code.
 */
export async function enterNamespace(script: string): Promise<number> {
  const reasons: string[] = []
  const way = (process.getuid?.() === 0 ? ['-n', '-rn'] : ['-rn']).find((option) => {
    const { status, error, stderr } = spawnSync('unshare', [option, 'true'], { encoding: 'utf8' })
    if (status !== 0) reasons.push(`unshare ${option}: ${(error?.message ?? stderr).trim()}`)
    return status === 0
  })
  if (way === undefined) {
    console.error(
      `A network namespace is needed and cannot be made: ${reasons.join('; ')}. Run this as root, or allow user namespaces ` +
        '(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns).',
    )
    return 1
  }
  const child = spawn('unshare', [way, process.execPath, ...process.execArgv, script], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [variable]: own() },
  })
  // Ctrl-C reaches the program inside from the terminal.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('message', ({ socket }: Offer) => {
    const server = createServer((client) => {
      const inner = connect(socket)
      client.pipe(inner).pipe(client)
      client.on('error', () => inner.destroy())
      inner.on('error', () => client.destroy())
    })
    server.listen(0, '127.0.0.1', () => {
      child.send({ port: (server.address() as { port: number }).port } satisfies Port)
    })
    server.unref()
  })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
