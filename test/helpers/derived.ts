import type { Dissector } from 'ringtap'

/** What a dissector's getters and functions give, which read the packet's bytes, as text. */
export function derived(d: Dissector): string {
  const { sourceIp, destinationIp, sourceMac, destinationMac, payload, flowHash, tcpSackRanges } = d
  return JSON.stringify({
    ...{ sourceIp, destinationIp, sourceMac, destinationMac, flowHash, tcpSackRanges },
    payload: Buffer.from(payload).toString('hex'),
    checksums: d.checksums(),
    communityId: d.communityId(),
    headers: d.headers(),
    summary: d.summary(),
  })
}
