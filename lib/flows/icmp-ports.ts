/** Messages that are answers to each other (RFC 792, 950, 1256; RFC 4443, 4861, 4620, 6275), by IP version. */
const pairs4 = [8, 0, 13, 14, 15, 16, 17, 18, 10, 9]
const pairs6 = [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145, 146, 147]

function answers(pairs: readonly number[]): Int16Array {
  const table = new Int16Array(256).fill(-1)
  for (let i = 0; i < pairs.length; i += 2) {
    const [one, other] = [pairs[i] as number, pairs[i + 1] as number]
    table[one] = other
    table[other] = one
  }
  return table
}

const answers4 = answers(pairs4)
const answers6 = answers(pairs6)

/**
 * What stands for the ports of ICMP: the type, and the type of the answer, so that a question and its answer are one flow;
 * for a type without an answer the code. As in Zeek and in the specification of the Community ID.
 *
 * @returns the source's in the upper 16 bits, the destination's in the lower ones.
 * @internal
 */
export function icmpPorts(version: number, type: number, code: number): number {
  const answer = (version === 4 ? answers4 : answers6)[type] as number
  return (type << 16) | (answer < 0 ? code : answer)
}
