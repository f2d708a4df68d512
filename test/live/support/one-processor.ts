import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Restricts this process, with all its threads and the programs it starts later, to one processor. Each processor has a
 * backlog of its own for what a veth or loopback receives: frames of a sender that moves to another processor can overtake
 * those it sent before, and two captures can see two frames in different order.
 *
 * @throws Error if the kernel refuses.
 */
export function stayOnOneProcessor(): void {
  // proc_pid_status(5): a list of ranges.
  const first = /^Cpus_allowed_list:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
  const args = ['-a', '-c', '-p', `${first}`, `${process.pid}`]
  const { status, stderr, error } = spawnSync('taskset', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`taskset ${args.join(' ')}: ${error?.message ?? stderr}`)
}
