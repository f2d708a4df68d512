import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the source tree, relative to dist/work/test/live/support. */
const root = new URL('../../../../../', import.meta.url)

/**
 * Returns the path of a native program of the tests; builds it if it is missing. (`npm run build:tools` rebuilds
 * outdated ones.)
 *
 * @throws Error with the compiler's output if the build fails.
 */
export function tool(name: 'nflog_rule' | 'replay' | 'send' | 'thread_hold' | 'tun_hold'): string {
  const path = fileURLToPath(new URL(`build/tools/${name}`, root))
  if (!existsSync(path)) {
    const script = fileURLToPath(new URL('scripts/build-test-tools.mjs', root))
    const { stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the test tools cannot be built: ${stderr}`)
  }
  return path
}

/**
 * Returns a command line that runs in another network namespace.
 *
 * @param namespace pid of a process in it; undefined for this process's own namespace
 */
export function commandIn(namespace: number | undefined, command: string, args: readonly string[]): [string, string[]] {
  if (namespace === undefined) return [command, [...args]]
  return ['nsenter', [`--net=/proc/${namespace}/ns/net`, '--', command, ...args]]
}

let prefix: string[] | undefined

/**
 * A command prefix that has the process killed when this process ends, for whatever reason; empty if the installed
 * util-linux does not support it.
 */
export function diesWithParent(): string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL']
  prefix ??= spawnSync('setpriv', [...words.slice(1), 'true']).status === 0 ? words : []
  return prefix
}
