import type { NetworkInterface } from '../interfaces/network-interface.js'

interface Entry {
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
  /** The numbers of the interfaces with each index, less 1. */
  readonly #byIndex = new Map<number, number[]>()
  /** What was looked for last, and the number found: neighbouring packets often have the same interface. */
  #latest: NetworkInterface | undefined
  #latestNumber = 0

  /** The number of an interface that a flow has; 0 if none has it. */
  numberOf(iface: NetworkInterface): number {
    if (iface === this.#latest) return this.#latestNumber
    const places = this.#byIndex.get(iface.index) ?? []
    const place = places.findLast((at) => sameInterface((this.#entries[at] as Entry).iface, iface))
    this.#latest = iface
    this.#latestNumber = place === undefined ? 0 : place + 1
    return this.#latestNumber
  }

  /** The number of an interface, from 1 on, for one direction of a flow. */
  enter(iface: NetworkInterface): number {
    const known = this.numberOf(iface)
    if (known > 0) {
      ;(this.#entries[known - 1] as Entry).uses++
      return known
    }
    const place = this.#free.pop() ?? this.#entries.length
    this.#entries[place] = { iface, uses: 1 }
    const places = this.#byIndex.get(iface.index)
    if (places) places.push(place)
    else this.#byIndex.set(iface.index, [place])
    this.#latestNumber = place + 1
    return place + 1
  }

  /** A flow with this number has ended. 0 has no effect. */
  leave(number: number): void {
    const entry = this.#entries[number - 1]
    if (!entry || --entry.uses > 0) return
    this.#entries[number - 1] = undefined
    this.#free.push(number - 1)
    this.#latest = undefined
    const { index } = entry.iface
    const others = (this.#byIndex.get(index) ?? []).filter((place) => place !== number - 1)
    if (others.length > 0) this.#byIndex.set(index, others)
    else this.#byIndex.delete(index)
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
