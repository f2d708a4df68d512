/** Types of ICMP and of ICMPv6 that answer each other, as the Community ID specification pairs them. */
const pairs = [8, 0, 13, 14, 15, 16, 17, 18, 10, 9]
const pairs6 = [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145]

function answers(list: readonly number[]): Int16Array {
  const table = new Int16Array(256).fill(-1)
  for (let i = 0; i < list.length; i += 2) {
    const [one, other] = [list[i] as number, list[i + 1] as number]
    table[one] = other
    table[other] = one
  }
  return table
}

const table = answers(pairs)
const table6 = answers(pairs6)
const icmp6 = 58

/** The type of the answer to a type of ICMP (protocol 1) or ICMPv6 (58); -1: there is none. @internal */
export function icmpAnswer(protocol: number, type: number): number {
  return (protocol === icmp6 ? table6 : table)[type] as number
}
