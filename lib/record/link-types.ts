import { CaptureError } from '../errors.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'

/**
 * The link type of a pcap file with packets of these interfaces; 0 if there are none, or it is unknown.
 *
 * @param verb What the caller is asked to do with pcapng instead.
 * @throws CaptureError `ERR_OPTION`: they have several.
 * @internal
 */
export function soleLinkType(interfaces: readonly NetworkInterface[], verb: string): number {
  const linkTypes = [...new Set(interfaces.map(({ linkType }) => linkType ?? 0))]
  if (linkTypes.length > 1) {
    const each = interfaces.map(({ name, linkType }) => `${name} ${linkType ?? 'unknown'}`).join(', ')
    throw new CaptureError(
      'ERR_OPTION',
      `a pcap file has packets of one link type, and the interfaces have several (${each}); ${verb} pcapng, or each link type in a capture of its own`,
      { option: 'format' },
    )
  }
  return linkTypes[0] ?? 0
}
