import { checkList, checkWord } from '../arguments.js'
import { Layer } from './layer.js'

/**
 * A tunnel that a {@link Dissector} can follow:
 *
 * - `'ipip'`: IPv4 or IPv6 directly in IPv4 or IPv6
 * - `'gre'`: IP, Ethernet and MPLS in GRE, and PPP in PPTP's
 * - `'erspan'`: mirrored frames in GRE, types I to III
 * - `'vxlan'`: UDP to port 4789 or 8472 (Linux's default)
 * - `'geneve'`: UDP to port 6081
 * - `'gtpu'`: version 1, UDP from or to port 2152
 * - `'mpls'`: Ethernet pseudowires with a control word. IP behind MPLS labels is always read.
 */
export type Tunnel = 'ipip' | 'gre' | 'erspan' | 'vxlan' | 'geneve' | 'gtpu' | 'mpls'

const tunnelLayers: { readonly [name in Tunnel]: number } = {
  ipip: Layer.IPv4 | Layer.IPv6,
  gre: Layer.Gre,
  erspan: Layer.Erspan,
  vxlan: Layer.Vxlan,
  geneve: Layer.Geneve,
  gtpu: Layer.Gtpu,
  mpls: Layer.Mpls,
}
const tunnelNames = Object.keys(tunnelLayers) as Tunnel[]

/** The tunnels to follow, as bits of {@link Layer}. @internal */
export function checkTunnels(given: unknown): number {
  if (typeof given === 'boolean') return given ? tunnelNames.reduce((bits, name) => bits | tunnelLayers[name], 0) : 0
  const names = checkList(given, 'options.tunnels', `a boolean, or a list of ${tunnelNames.join(', ')}`, 100)
  return names.reduce<number>(
    (bits, name, i) => bits | tunnelLayers[checkWord(name, `options.tunnels[${i}]`, tunnelNames)],
    0,
  )
}
