// The other end of the demo's veth pairs: a process in a second network namespace, which executes commands.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { withoutIpv6 } from './namespace.js'
import { ip } from './network.js'

/** The peer's commands. */
export type Order =
  | { readonly do: 'ip'; readonly lines: readonly string[] }
  | {
      readonly do: 'udp'
      readonly to: string
      readonly port: number
      readonly count: number
      /** Wait for the answer to each datagram. */
      readonly answered?: boolean
      /** Milliseconds between datagrams. Default: 0. */
      readonly pause?: number
    }
  | { readonly do: 'http'; readonly url: string }

/** The result: datagrams sent, or bytes received. */
export interface Outcome {
  readonly id: number
  readonly result?: number
  readonly error?: string
}

async function udp(order: Order & { do: 'udp' }): Promise<number> {
  const { to, port, count, answered = false, pause = 0 } = order
  const socket = createSocket('udp4')
  let answers = 0
  socket.on('message', () => answers++)
  for (let i = 1; i <= count; i++) {
    await new Promise<void>((resolve, reject) => {
      socket.send(`datagram ${i} of ${count} to port ${port}`, port, to, (error) => (error ? reject(error) : resolve()))
    })
    if (pause > 0) await sleep(pause)
  }
  for (const deadline = Date.now() + 2000; answered && answers < count && Date.now() < deadline; ) await sleep(5)
  socket.close()
  return count
}

async function http(url: string): Promise<number> {
  const request = get(url, { agent: false })
  const [response] = await once(request, 'response')
  let bytes = 0
  for await (const piece of response) bytes += piece.length
  return bytes
}

async function obey(order: Order): Promise<number> {
  switch (order.do) {
    case 'ip':
      ip(order.lines)
      return 0
    case 'udp':
      return udp(order)
    case 'http':
      return http(order.url)
  }
}

if (process.send) {
  withoutIpv6()
  const answer = (outcome: Outcome) => process.send?.(outcome)
  process.on('message', ({ id, orders }: { id: number; orders: Order[] }) => {
    void (async () => {
      try {
        let result = 0
        for (const order of orders) result += await obey(order)
        answer({ id, result })
      } catch (error) {
        answer({ id, error: (error as Error).message })
      }
    })()
  })
  // The demo has ended, or its process has gone.
  process.on('disconnect', () => process.exit(0))
  process.on('SIGINT', () => {})
  answer({ id: 0 })
}
