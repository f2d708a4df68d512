import { readdirSync, readFileSync } from 'node:fs'

/** A running process. */
export interface RunningProcess {
  readonly pid: number
  readonly name: string
  /** The number of its process group. */
  readonly group: number
  /** Processor time of all its threads, user and system. */
  readonly seconds: number
}

/** `undefined` if the process has ended. */
function running(pid: number): RunningProcess | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name is in parentheses and may contain them too.
  const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(text) ?? []
  const fields = rest.split(' ')
  return { pid, name, group: Number(fields[2]), seconds: (Number(fields[11]) + Number(fields[12])) / 100 }
}

/** Seconds of processor time of all threads of a process, user and system; NaN if it has ended. */
export const processorTime = (pid: number): number => running(pid)?.seconds ?? Number.NaN

/** The processes of a group. */
export function processesOf(group: number): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => running(Number(pid)) ?? [])
    .filter((one) => one.group === group)
}
