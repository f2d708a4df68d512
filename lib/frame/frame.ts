import { checkGroup } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { arpPacket, etherTypes, ipv4Header, ipv6Header, linkHeader, protocols } from './frame-network.js'
import type { FrameLayers } from './frame-options.js'
import { icmpHeader, type Pseudo, tcpHeader, udpHeader } from './frame-transport.js'

const layerNames = ['ethernet', 'vlan', 'arp', 'ipv4', 'ipv6', 'tcp', 'udp', 'icmp', 'payload'] as const
/** The longest packet that IP can carry, and the headers of the link layer. */
const longest = 65535 + 64

/**
 * Builds a frame from its layers. Types, protocols, lengths and checksums are filled in; each can be given instead, for
 * frames that are wrong on purpose. Nothing is checked beyond what the fields can hold.
 *
 * ```ts
 * const ping = frame({
 *   ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
 *   ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
 *   icmp: { type: 8, identifier: 7, sequence: 1 },
 *   payload: 'ringtap',
 * })
 * await inject('eth0', ping)
 * ```
 *
 * For a packet in a packet, pass one frame as the `payload` of another. Frames are not padded to the 60 bytes that
 * Ethernet wants at least; network devices do that.
 *
 * @returns The frame in memory of its own.
 * @throws CaptureError `ERR_OPTION`, naming the field; also for layers that cannot follow one another, and for more than
 *   65599 bytes.
 */
export function frame(layers: FrameLayers): Uint8Array<ArrayBuffer> {
  checkLayer('layers', layers)
  const { ethernet, vlan, arp, ipv4, ipv6, tcp, udp, icmp, payload } = checkGroup(layers, '', layerNames)
  for (const [name, layer] of Object.entries({ ethernet, arp, ipv4, ipv6, tcp, udp, icmp }))
    if (layer !== undefined) checkLayer(name, layer)
  only('arp, ipv4 and ipv6', { arp, ipv4, ipv6 })
  only('tcp, udp and icmp', { tcp, udp, icmp })
  const transport = tcp ? 'tcp' : udp ? 'udp' : icmp ? 'icmp' : undefined
  if (transport && !ipv4 && !ipv6) throw contradiction(transport, `${transport} needs ipv4 or ipv6`)
  if (vlan !== undefined && !ethernet) throw contradiction('vlan', 'vlan needs ethernet')

  const data = payloadBytes(payload)
  const parts: Uint8Array[] = [data]
  let length = data.length
  const add = (header: Uint8Array) => {
    parts.unshift(header)
    length += header.length
  }
  // From the last layer to the first: each header needs to know what follows it.
  const pseudo = (protocol: number): Pseudo => ({
    source: (ipv4 ?? ipv6)?.source,
    destination: (ipv4 ?? ipv6)?.destination,
    protocol,
    v6: ipv6 !== undefined,
  })
  if (tcp) add(tcpHeader(tcp, data, pseudo(protocols.TCP)))
  else if (udp) add(udpHeader(udp, data, pseudo(protocols.UDP)))
  else if (icmp) add(icmpHeader(icmp, data, ipv6 ? pseudo(protocols.ICMP6) : undefined))
  const protocol = tcp ? protocols.TCP : udp ? protocols.UDP : icmp ? protocols[ipv6 ? 'ICMP6' : 'ICMP'] : undefined
  if (ipv4) add(ipv4Header(ipv4, length, protocol))
  else if (ipv6) add(ipv6Header(ipv6, length, protocol))
  else if (arp) add(arpPacket(arp))
  if (ethernet) {
    const etherType = ipv4 ? etherTypes.IPV4 : ipv6 ? etherTypes.IPV6 : arp ? etherTypes.ARP : etherTypes.EXPERIMENT
    add(linkHeader(ethernet, vlan, etherType))
  }
  if (length > longest) {
    throw new CaptureError('ERR_OPTION', `the frame has ${length} bytes; at most ${longest} are possible`, {
      option: 'payload',
    })
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Refuses what is no object, so that a layer that is given is true. */
function checkLayer(name: string, layer: unknown): void {
  if (typeof layer !== 'object' || layer === null || Array.isArray(layer)) throw optionError(name, 'an object', layer)
}

function payloadBytes(payload: unknown): Uint8Array {
  if (payload === undefined) return new Uint8Array(0)
  if (typeof payload === 'string') return Buffer.from(payload)
  if (!(payload instanceof Uint8Array)) throw optionError('payload', 'a Uint8Array or a string', payload)
  return payload
}

/** Refuses more than one of these layers. */
function only(names: string, layers: Record<string, unknown>): void {
  const [, second] = Object.entries(layers).filter(([, value]) => value !== undefined)
  if (second) throw contradiction(second[0], `of ${names} a frame can have one`)
}

function contradiction(option: string, message: string): CaptureError {
  return new CaptureError('ERR_OPTION', message, { option })
}
