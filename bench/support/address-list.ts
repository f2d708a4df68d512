/** Addresses in no regular pattern, none of which occurs in the benchmarks' traffic. */
export interface AddressSpec {
  count: number
  /** Single IPv4 or IPv6 addresses, or networks of 256 addresses. */
  of: 'IPv4' | 'IPv6' | 'networks'
  /** How they are passed: as the option, or as a pcap filter. */
  as: 'excludeHosts' | 'filter'
  table?: 'classic' | undefined
}

export function addressList({ count, of }: AddressSpec): string[] {
  return Array.from({ length: count }, (_, i) => {
    // A permutation of the 32-bit integers: no address occurs twice.
    const bits = Math.imul(i + 1, 0x9e3779b1) >>> 0
    if (of === 'IPv6')
      return `2001:db8:${(bits >>> 16).toString(16)}:${(bits & 0xffff).toString(16)}::${i.toString(16)}`
    const net = Math.imul(i + 1, 0x9e3779b1 >>> 8) & 0x3fffff
    if (of === 'networks') return `${64 + (net >>> 16)}.${(net >>> 8) & 0xff}.${net & 0xff}.0/24`
    return `${1 + ((bits >>> 24) % 127)}.${(bits >>> 16) & 0xff}.${(bits >>> 8) & 0xff}.${bits & 0xff}`
  })
}
