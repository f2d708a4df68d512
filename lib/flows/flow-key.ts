import { icmpAnswer } from '../dissect/icmp-answers.js'
import { Key } from './flow-slots.js'

/** Mixes the bits of a word, so that each affects all lower and higher ones. @internal */
export function mix(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b)
  return h ^ (h >>> 16)
}

/** The hash of one end: `length` words of its address, and its port. @internal */
export function endHash(address: Int32Array, start: number, length: number, port: number, seed: number): number {
  let hash = Math.imul((address[start] as number) ^ seed, 0x7feb352d)
  for (let i = 1; i < length; i++) hash = Math.imul((hash ^ (hash >>> 15)) + (address[start + i] as number), 0x846ca68b)
  hash = Math.imul((hash ^ (hash >>> 15)) + port, 0x9e3779b1)
  return hash ^ (hash >>> 15)
}

/**
 * What stands for the ports of ICMP: the type and that of its answer, so that a question and its answer are one flow. A type
 * without an answer has its code and a further bit, so that no message is taken for the other direction of another one.
 *
 * @internal
 */
export function icmpPorts(protocol: number, type: number, code: number): number {
  const answer = icmpAnswer(protocol, type)
  return (type << 16) | (answer < 0 ? code | 0x100 : answer)
}

/** Whether a slot has these addresses, of `length` words each. @internal */
export function same(
  words: Int32Array,
  key: number,
  address: Int32Array,
  source: number,
  destination: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) {
    if (words[key + Key.SOURCE + i] !== address[source + i]) return false
    if (words[key + Key.DESTINATION + i] !== address[destination + i]) return false
  }
  return true
}
