import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tool } from './tools.js'

/**
 * Stops the one thread of this process that has this name (compared up to 15 characters).
 *
 * @returns a function that resumes the thread
 */
export async function holdThread(name: string): Promise<() => Promise<void>> {
  const all = readdirSync('/proc/self/task')
  const thread = all.find((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === name.slice(0, 15))
  if (thread === undefined) throw new Error(`there is no thread ${name}`)
  const child = spawn(tool('thread_hold'), [thread], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const first = await Promise.race([once(child.stdout, 'data'), ended])
  if (!String(first[0]).includes('held')) throw new Error(said.trim() || 'thread_hold has ended')
  return async () => {
    child.stdin.end()
    await ended
  }
}
