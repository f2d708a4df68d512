import type { NetworkInterface } from '../interfaces/network-interface.js'

interface Entry {
  index: number
  iface: NetworkInterface
  /** How many directions of flows have it. */
  uses: number
}

/**
 * The interfaces of flows, by numbers of their own, as long as a flow has them. The kernel gives indexes out again, and each
 * file counts its interfaces from 0: the index alone does not identify one.
 *
 * @internal
 */
export class FlowInterfaces {
  readonly #entries: (Entry | undefined)[] = []
  readonly #free: number[] = []
  /** The number of the interface that was seen last with each index. */
  readonly #latest = new Map<number, number>()

  /** The number of an interface, from 1 on, for one direction of a flow. */
  enter(index: number, iface: NetworkInterface): number {
    const latest = this.#latest.get(index)
    const known = latest === undefined ? undefined : this.#entries[latest]
    if (known && latest !== undefined && sameInterface(known.iface, iface)) {
      known.uses++
      return latest + 1
    }
    const number = this.#free.pop() ?? this.#entries.length
    this.#entries[number] = { index, iface, uses: 1 }
    this.#latest.set(index, number)
    return number + 1
  }

  /** A flow with this number has ended. 0 has no effect. */
  leave(number: number): void {
    const entry = this.#entries[number - 1]
    if (!entry || --entry.uses > 0) return
    this.#entries[number - 1] = undefined
    this.#free.push(number - 1)
    if (this.#latest.get(entry.index) === number - 1) this.#latest.delete(entry.index)
  }

  get(number: number): NetworkInterface | undefined {
    return this.#entries[number - 1]?.iface
  }
}

/** Whether two objects describe the same interface under the same name. @internal */
export function sameInterface(one: NetworkInterface, other: NetworkInterface): boolean {
  if (one === other) return true
  return one.index === other.index && one.generation === other.generation && one.name === other.name
}
