import type { NetworkInterface } from './network-interface.js'

/** A placeholder for an interface of which only the index is known. @internal */
export function nameless(index: number): NetworkInterface {
  return Object.freeze({
    index,
    name: '',
    alternativeNames: Object.freeze([]),
    kind: undefined,
    linkType: undefined,
    hardwareType: 0,
    address: undefined,
    mtu: 0,
    up: false,
    running: false,
    loopback: false,
    promiscuous: false,
    addresses: Object.freeze([]),
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    generation: 0,
  })
}
