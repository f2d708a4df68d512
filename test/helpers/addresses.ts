/** A filter that names this many hosts; libpcap takes long to optimise it. */
export function hosts(count: number): string {
  return Array.from({ length: count }, (_, i) => `host 10.1.${i >> 8}.${i & 255}`).join(' or ')
}
