import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/**
 * Runs a module in its own Node process and resolves to the JSON on its last line of output. The module reads the
 * argument from `process.argv[2]`; see {@link trialArgument}.
 *
 * @throws Error if the process fails, with the end of its standard error output.
 */
export async function runTrial<T>(
  module: URL,
  argument: unknown,
  nodeOptions: string[] = [],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<T> {
  const child = spawn(process.execPath, [...nodeOptions, fileURLToPath(module), JSON.stringify(argument)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  })
  const [printed, errors, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ])
  if (status !== 0) {
    const why = errors.match(/^(?:\w*Error|FATAL ERROR).*/m)?.[0] ?? errors.trim().split('\n').at(-1)
    throw new Error(`${signal ?? `exit code ${status}`}: ${why ?? ''}`)
  }
  return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as T
}

/** The argument (an object) that a trial's module was started with; null if another module imports it. */
export function trialArgument<T>(): T {
  const argument = process.argv[2]
  return JSON.parse(argument?.startsWith('{') ? argument : 'null') as T
}

/** The median; for an even number of samples, the mean of the middle two. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}
