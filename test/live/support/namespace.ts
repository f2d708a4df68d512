import { spawn, spawnSync } from 'node:child_process'
import { readlinkSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { diesWithParent } from './tools.js'

/** Environment variable of a process inside: the identity of the network namespace it was started from. */
const outsideKey = 'RINGTAP_LIVE_OUTSIDE'

const ownNamespace = () => readlinkSync('/proc/self/ns/net')

/**
 * Whether this process runs in a network namespace of the live tests.
 */
export function isInside(): boolean {
  const outside = process.env[outsideKey]
  return outside !== undefined && outside !== ownNamespace()
}

/**
 * Throws unless {@link isInside}. Every helper that changes interfaces calls this first, so that no test changes the
 * network namespace of the machine.
 */
export function assertInside(): void {
  if (!isInside()) throw new Error('this is not a network namespace of the live tests: call inNamespace() first')
}

/**
 * Resolves inside a fresh network namespace. Must be the first statement of a live test, before tap is imported (or
 * use `support/live.ts`, which does both).
 *
 * Outside, it runs the same script in a new namespace and never resolves: this process only forwards output, exit
 * code, signals and tap's messages. Users other than root get a user namespace as well: the test keeps its user and
 * has all capabilities over the network namespace, but none over the machine. The namespace has loopback up and IPv6
 * off, so that the kernel sends no packets of its own. It is removed at the end of the test.
 *
 * If no namespace can be made, the test is skipped, and the skip is printed and counted; with `CI` or
 * `RINGTAP_REQUIRE_LIVE` set (not to `0`, `false` or the empty string), it fails.
 *
 * @param url `import.meta.url` of the test script
 */
export async function inNamespace(url: string): Promise<void> {
  if (isInside()) {
    quiet()
    return
  }
  const enter = entrance()
  if (typeof enter === 'string') refuse(enter)
  await new Promise<never>(() => runInside(enter, fileURLToPath(url)))
}

/** The command prefix that enters a fresh namespace, or the reason why none can be made. */
function entrance(): string[] | string {
  const reasons: string[] = []
  // If this process is killed, the test must end too: it would keep its namespace and tap's pipe open.
  const follow = diesWithParent()
  const ways = [['-rn']]
  // Preferred to becoming root inside: as root, tcpdump drops its privileges, which a user namespace forbids.
  if (process.getuid?.() !== 0) ways.unshift(['--map-current-user', '--keep-caps', '-n'])
  else ways.unshift(['-n'])
  for (const way of ways) {
    const enter = ['unshare', ...way, ...follow]
    const probe = spawnSync('unshare', [...enter.slice(1), 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' })
    if (probe.status === 0) return enter
    reasons.push(`unshare ${way.join(' ')}: ${(probe.error?.message ?? probe.stderr).trim()}`)
  }
  return reasons.join('; ')
}

function runInside(enter: string[], script: string): void {
  const [command = '', ...rest] = [...enter, process.execPath, ...process.execArgv, script, ...process.argv.slice(2)]
  // tap sends time-outs to a test over an IPC channel, which the inner process inherits.
  const stdio = process.send ? (['inherit', 'inherit', 'inherit', 'ipc'] as const) : 'inherit'
  const child = spawn(command, rest, {
    stdio: stdio === 'inherit' ? stdio : [...stdio],
    env: { ...process.env, [outsideKey]: ownNamespace() },
  })
  if (process.send) {
    process.on('message', (message) => child.connected && child.send(message as object))
    child.on('message', (message) => process.send?.(message))
    process.channel?.unref()
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGALRM', 'SIGUSR2'] as const) {
    process.on(signal, () => child.kill(signal))
  }
  child.on('error', (error) => refuse(`${command}: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)))
}

/** Ends the process because the test cannot run here. */
function refuse(reason: string): never {
  const demanded = [process.env['CI'], process.env['RINGTAP_REQUIRE_LIVE']].some(
    (value) => value !== undefined && !['', '0', 'false'].includes(value),
  )
  const what = `live test, no network namespace can be made (${reason.replaceAll(/[#\n]/g, ' ')})`
  writeSync(2, `\n*** ${demanded ? 'FAILED' : 'NOT RUN'}: ${what}\n\n`)
  writeSync(1, demanded ? `TAP version 14\n1..1\nnot ok 1 - ${what}\n` : `TAP version 14\n1..0 # SKIP ${what}\n`)
  process.exit(demanded ? 1 : 0)
}

/** Stops the kernel from sending packets in this namespace: packet counts are exact only if nothing else sends. */
function quiet(): void {
  for (const scope of ['all', 'default']) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, '1')
    } catch {
      // No IPv6, or /proc/sys is read-only in a container. Tests recognise their packets by the marker in any case.
    }
  }
  spawnSync('ip', ['link', 'set', 'lo', 'up'])
}
