/** A filter for this many hosts: it takes libpcap long to optimise. */
export function hosts(count: number): string {
  return Array.from({ length: count }, (_, i) => `host 10.1.${i >> 8}.${i & 255}`).join(' or ')
}
