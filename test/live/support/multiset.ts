import { hex } from '../../helpers/hex.js'

/** Counts the occurrences of each key. */
export function tally(keys: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

/** How many keys of each list a difference keeps, and how many characters of each key. */
const [shown, length] = [10, 300]

/** The difference of two multisets; both lists are empty if they are equal. A key may occur several times. */
export interface Difference {
  missing: string[]
  surplus: string[]
}

/**
 * Compares two multisets of keys; `t.same(difference(actual, expected), { missing: [], surplus: [] })`. Of a long list, the
 * first keys are kept and the number of the others.
 */
export function difference(actual: Iterable<string>, expected: Iterable<string>): Difference {
  const counts = tally(expected)
  const surplus: string[] = []
  for (const key of actual) {
    const left = counts.get(key) ?? 0
    if (left > 0) counts.set(key, left - 1)
    else surplus.push(key)
  }
  const missing = [...counts].flatMap(([key, left]) => Array.from({ length: left }, () => key))
  return { missing: shortened(missing), surplus: shortened(surplus) }
}

function shortened(keys: string[]): string[] {
  const list = keys.slice(0, shown).map((key) => (key.length > length ? `${key.slice(0, length)}…` : key))
  return keys.length > shown ? [...list, `and ${keys.length - shown} more`] : list
}

/** Makes a key from a packet's interface, direction and bytes. */
export function packetKey(interfaceName: string | number, direction: string | undefined, data: Uint8Array): string {
  return `${interfaceName} ${direction ?? '?'} ${hex(data)}`
}
