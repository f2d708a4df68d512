import type { Capture } from 'ringtap'
import type live from './live.js'
import { type SendOptions, send } from './send.js'
import { waitUntil } from './wait.js'

/** What is replaced while packets arrive: a filter, or address sets. */
export interface Replacement {
  /** Of eth0. */
  readonly capture: Capture
  /** The number in a packet of either kind. */
  readonly numberOf: (data: Uint8Array) => number | undefined
  /** Options of the packets that are accepted first, and then refused. */
  readonly traffic: Pick<SendOptions, 'port'>
  /** Changes that all accept the traffic; made in turn. */
  readonly harmless: readonly (() => Promise<void>)[]
  /** Changes to what refuses the traffic. */
  readonly refuse: () => Promise<void>
  /** Sends `count` packets that are accepted after that, numbered from `start`. */
  readonly sendAccepted: (start: number, count: number) => void
}

/**
 * Asserts that a replacement under traffic loses no packet and admits no wrong one, and stops the capture.
 *
 * @returns the number of packets delivered.
 */
export async function replacedUnderTraffic(
  t: Pick<typeof live, 'same'>,
  { capture, numberOf, traffic, harmless, refuse, sendAccepted }: Replacement,
): Promise<number> {
  const count = 60_000
  const sending = send({ interface: 'eth0', count, rate: 30_000, ...traffic })
  const seen: number[] = []
  const reading = (async () => {
    for await (const chunk of capture) chunk.forEach((packet) => seen.push(numberOf(packet.data) as number))
  })()
  for (let i = 0; i < 14; i++) await harmless[i % harmless.length]?.()
  await sending
  await waitUntil(
    () => seen.length >= count,
    'all of them',
    undefined,
    () => seen.length,
  )
  t.same(
    seen,
    Array.from({ length: count }, (_, i) => i),
    'every packet once, in order',
  )

  await refuse()
  const before = seen.length
  await send({ interface: 'eth0', count: 1000, start: count, ...traffic })
  sendAccepted(2 * count, 100)
  await capture.stop()
  await reading
  t.same(
    seen.slice(before),
    Array.from({ length: 100 }, (_, i) => 2 * count + i),
    'only what is accepted after the change',
  )
  return count + 100
}
