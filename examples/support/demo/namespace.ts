// A network namespace of the program's own.
import { spawn, spawnSync } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'

/** Environment variable of the program inside: the namespace that it was started from. */
const outsideKey = 'RINGTAP_DEMO_OUTSIDE'

const ownNamespace = () => readlinkSync('/proc/self/ns/net')

/** Whether this process runs in a namespace that {@link runInNamespace} made. */
export function isInside(): boolean {
  const outside = process.env[outsideKey]
  return outside !== undefined && outside !== ownNamespace()
}

/**
 * Runs a script in a new network namespace: as root or, for another user, as root of a new user namespace. It ends when this
 * process ends, in whatever way; the namespace goes with it.
 *
 * @param args the script's arguments
 * @returns its exit code
 */
export async function runInNamespace(script: string, args: readonly string[] = []): Promise<number> {
  const reasons: string[] = []
  const ways = process.getuid?.() === 0 ? ['-n', '-rn'] : ['-rn']
  const way = ways.find((option) => {
    const probe = spawnSync('unshare', [option, 'true'], { encoding: 'utf8' })
    if (probe.status !== 0) reasons.push(`unshare ${option}: ${(probe.error?.message ?? probe.stderr).trim()}`)
    return probe.status === 0
  })
  if (way === undefined) {
    console.error(
      [
        'A network namespace of its own is needed, and cannot be made:',
        ...reasons.map((reason) => `  ${reason}`),
        'Run it as root; or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone,',
        'kernel.apparmor_restrict_unprivileged_userns); in a container: --cap-add SYS_ADMIN, or --privileged.',
        'unshare is part of util-linux.',
      ].join('\n'),
    )
    return 1
  }
  const child = spawn('unshare', [way, process.execPath, ...process.execArgv, script, ...args], {
    // The channel closes when this program is gone: the program inside then ends.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [outsideKey]: ownNamespace() },
  })
  // Ctrl-C reaches the program inside from the terminal.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

/** Turns IPv6 off for interfaces made from now on: the kernel would send packets of its own. */
export function withoutIpv6(): void {
  for (const scope of ['all', 'default']) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, '1')
    } catch {
      // There is no IPv6, or /proc/sys is read-only: then a few more packets are captured, and counted.
    }
  }
}
