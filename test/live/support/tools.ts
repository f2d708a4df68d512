import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the source tree, seen from dist/work/test/live/support. */
const root = new URL('../../../../../', import.meta.url)

/**
 * The path of a native program of the tests, built if it is not there. (`npm run build:tools` builds what is stale.)
 *
 * @throws Error with the compiler's words where it cannot be built.
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
 * A command line that runs in another network namespace.
 *
 * @param namespace pid of a process in it; undefined for this process's own
 */
export function commandIn(namespace: number | undefined, command: string, args: readonly string[]): [string, string[]] {
  if (namespace === undefined) return [command, [...args]]
  return ['nsenter', [`--net=/proc/${namespace}/ns/net`, '--', command, ...args]]
}

let prefix: string[] | undefined

/**
 * The beginning of a command line whose process is killed when this one ends, however it ends; empty where util-linux
 * has no such means.
 */
export function diesWithParent(): string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL']
  prefix ??= spawnSync('setpriv', [...words.slice(1), 'true']).status === 0 ? words : []
  return prefix
}
