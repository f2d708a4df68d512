import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { waitUntil, waitUntilStable } from '../../test/live/support/wait.js'
import { processesOf } from '../support/processor-time.js'
import type { Wire } from '../support/stage.js'

/** A program that takes packets from an interface until SIGINT. */
export interface Program {
  command: string
  args: string[]
  /** What its standard error contains once it captures. */
  ready: string
  environment?: NodeJS.ProcessEnv
}

/** Frames a second of the warm-up. */
const warmUpRate = 200_000

/** A program that takes part in a comparison. */
export interface Contestant extends Program {
  name: string
  /** Why it cannot take part. */
  missing?: string | undefined
}

interface Flooded {
  /** Frames that arrived, and of these a second. */
  arrived: number
  rate: number
  /** Seconds of processor time of the program and those that it started. */
  cpu: number
  /** Its standard error. */
  said: string
}

/**
 * Sends `count` frames while the program runs, waits until it has dealt with them, and ends it. `warmUp` frames are sent
 * before that, so that programs which compile or connect at first are measured at their work; they are not counted, unless
 * by the program.
 */
export async function flooded(
  { command, args, ready, environment }: Program,
  wire: Pick<Wire, 'flood'>,
  { count, size, rate, warmUp = 0 }: { count: number; size: number; rate: number; warmUp?: number },
): Promise<Flooded> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: environment ?? process.env,
  })
  const group = child.pid as number
  const processorTime = () => processesOf(group).reduce((sum, { seconds }) => sum + seconds, 0)
  const ended = once(child, 'close')
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  try {
    await waitUntil(
      () => said.includes(ready) || child.exitCode !== null,
      `${command} to capture`,
      20_000,
      () => said,
    )
    if (warmUp > 0) {
      await wire.flood(warmUp, size, warmUpRate)
      await waitUntilStable(processorTime, `${command} to come to rest`, 500, 60_000)
    }
    const before = processorTime()
    const { arrived, packetsPerSecond, sent } = await wire.flood(count, size, rate)
    await waitUntilStable(processorTime, `${command} to come to rest`, 500, 60_000)
    const cpu = processorTime() - before
    // Of a pipe, the program that captures ends the others.
    for (const { pid, name } of processesOf(group)) if (name === 'tcpdump' || pid === group) process.kill(pid, 'SIGINT')
    await ended
    return { arrived, rate: (packetsPerSecond * arrived) / sent, cpu, said }
  } finally {
    if (child.exitCode === null && child.signalCode === null) process.kill(-group, 'SIGKILL')
  }
}
