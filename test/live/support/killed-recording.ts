import { fork } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { send } from './send.js'
import { sleep, within } from './wait.js'

/** Records numbered packets on eth0 to files of 3000 packets each, in a process that is killed in the middle of them. */
export async function recordUntilKilled(t: { teardown(end: () => void): unknown }, path: string): Promise<void> {
  const child = fork(fileURLToPath(new URL('../record/record-kill-child.js', import.meta.url)), [path])
  t.teardown(() => child.kill('SIGKILL'))
  await within(once(child, 'message'), 'the program to record')
  const sending = send({ interface: 'eth0', count: 40_000, size: 300, rate: 40_000, mayDrop: true })
  await within(once(child, 'message'), 'the first packets in a file')
  await sleep(Math.random() * 800) // no condition: at any moment of the traffic, which takes a second
  child.kill('SIGKILL')
  await Promise.all([once(child, 'exit'), sending])
}

/**
 * Whether a hidden file has no other name: a kill between the two steps in which a complete file gets its name leaves it
 * with both.
 */
export const isIncomplete = (path: string): boolean => statSync(path).nlink === 1
