import type { FlowIndex } from './flow-index.js'
import { type FlowSlots, Rare, RareSum, Sum, slotDoubles, slotWords } from './flow-slots.js'

/** @internal */
export const flowOrders = ['bytes', 'packets', 'payloadBytes', 'duration', 'retransmissions'] as const

/** What {@link FlowTable.top} sorts by; sums of both directions. */
export type FlowOrder = 'bytes' | 'packets' | 'payloadBytes' | 'duration' | 'retransmissions'

/**
 * The slots of the largest flows, the largest first: `count` of them are kept in a heap with the smallest one on top, so
 * that most flows cost one comparison.
 *
 * @internal
 */
export function largestFlows(slots: FlowSlots, index: FlowIndex, count: number, by: FlowOrder): number[] {
  const size = Math.min(count, slots.used)
  const heap: Ranked[] = []
  for (const slot of index.slots()) {
    const value = amountOf(slots, slot, by)
    if (heap.length < size) rise(heap, { slot, value })
    else if (value > (heap[0] as Ranked).value) sink(heap, { slot, value })
  }
  return heap.sort((a, b) => b.value - a.value).map(({ slot }) => slot)
}

/** The slots of all flows, in the order of their first packets. @internal */
export function slotsInOrder({ rareDoubles }: FlowSlots, index: FlowIndex): Int32Array {
  const first = (slot: number) => rareDoubles[slot * slotDoubles + RareSum.FIRST] as number
  return index.slots().sort((one, other) => first(one) - first(other) || one - other)
}

interface Ranked {
  slot: number
  value: number
}

/** Adds an element. */
function rise(heap: Ranked[], added: Ranked): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    if ((heap[parent] as Ranked).value <= added.value) break
    heap[at] = heap[parent] as Ranked
    at = parent
  }
  heap[at] = added
}

/** Puts an element in place of the smallest one. */
function sink(heap: Ranked[], added: Ranked): void {
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && (heap[child + 1] as Ranked).value < (heap[child] as Ranked).value) child++
    if ((heap[child] as Ranked).value >= added.value) break
    heap[at] = heap[child] as Ranked
    at = child
  }
  heap[at] = added
}

function amountOf(slots: FlowSlots, slot: number, by: FlowOrder): number {
  const { doubles, rareWords, rareDoubles } = slots
  const row = slot * slotDoubles
  if (by === 'duration') return (doubles[row + Sum.LAST] as number) - (rareDoubles[row + RareSum.FIRST] as number)
  if (by === 'retransmissions') {
    const at = slot * slotWords + Rare.RETRANSMISSIONS
    return (rareWords[at] as number) + (rareWords[at + 1] as number)
  }
  const at = row + { bytes: Sum.BYTES, packets: Sum.PACKETS, payloadBytes: Sum.PAYLOAD }[by]
  return (doubles[at] as number) + (doubles[at + 1] as number)
}
