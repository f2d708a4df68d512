// Starts the peer and sends it commands.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Outcome } from './peer.js'

export interface Peer {
  /** Names its namespace: `ip link … netns PID`. */
  readonly pid: number
  /** Sends commands, which the peer executes one after another; they are sent when this returns. Resolves to the sum of their results. */
  tell(...orders: Order[]): Promise<number>
  /** Ends it, and with it its namespace and the ends of the pairs there. */
  close(): Promise<void>
}

/** Starts a peer in a network namespace of its own. */
export async function startPeer(): Promise<Peer> {
  const script = fileURLToPath(new URL('./peer.js', import.meta.url))
  const child = spawn('unshare', ['-n', process.execPath, ...process.execArgv, script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  await Promise.race([
    once(child, 'message'),
    ended.then(() => Promise.reject(new Error('the second network namespace could not be made'))),
  ])
  return control(child, ended)
}

function control(child: ChildProcess, ended: Promise<unknown>): Peer {
  const waiting = new Map<number, (outcome: Outcome) => void>()
  let last = 0
  child.on('message', (outcome: Outcome) => {
    waiting.get(outcome.id)?.(outcome)
    waiting.delete(outcome.id)
  })
  child.on('exit', () => {
    for (const [id, settle] of waiting) settle({ id, error: 'the peer has ended' })
  })
  return {
    pid: child.pid as number,
    tell(...orders) {
      const id = ++last
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ result = 0, error }) => (error === undefined ? resolve(result) : reject(new Error(error))))
        child.send({ id, orders })
      })
    },
    async close() {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
