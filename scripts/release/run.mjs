// Running the steps of a release: commands with their output in a log, hashes of files.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../tree-files.mjs'

/** Everything a release leaves except its result: sources, compiler, libraries, objects. Kept, to be used again. */
export const work = path.join(root, 'build', 'package')

/** Prints one step of the release. */
export function say(step, text) {
  console.log(`${step.padEnd(20)}${text}`)
}

/** Runs a command with its output in a log below `work`; throws with the end of the log if it fails. */
export function run(log, command, args, options = {}) {
  const file = path.join(work, 'log', `${log}.log`)
  mkdirSync(path.dirname(file), { recursive: true })
  const output = openSync(file, 'a')
  const result = spawnSync(command, args, { stdio: ['ignore', output, output], ...options })
  closeSync(output)
  if (result.error) throw result.error
  if (result.status === 0) return
  const end = readFileSync(file, 'utf8').split('\n').slice(-40).join('\n')
  throw new Error(`${command} ${args.join(' ')} failed with ${result.status ?? result.signal}:\n${end}`)
}

/** Runs a command and returns its standard output. */
export function outputOf(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${result.stderr}${result.stdout}`)
  return result.stdout
}

export function hashOf(bytes, algorithm = 'sha256', encoding = 'hex') {
  return createHash(algorithm).update(bytes).digest(encoding)
}
