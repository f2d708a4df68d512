// The interfaces of this namespace as `ip` shows them, in the form in which the library's are compared with them.
import type { NetworkInterface } from 'ringtap'
import { ip } from './network.js'

export interface IpAddress {
  family: string
  local: string
  prefixlen: number
  scope: string
}

export interface IpLink {
  ifindex: number
  ifname: string
  altnames?: string[]
  link?: string
  link_index?: number
  link_netnsid?: number
  flags: string[]
  mtu: number
  master?: string
  link_type: string
  address?: string
  promiscuity: number
  linkinfo?: { info_kind?: string }
  addr_info: IpAddress[]
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The output of `ip`, converted to the library's terms: the independent witness. */
export function witness(): object[] {
  const links = JSON.parse(ip('-j', '-d', 'addr')) as Partial<IpLink>[]
  // ip prints an empty object for each interface that its filter removed.
  const all = links.filter((link): link is IpLink => link.ifindex !== undefined)
  const indexOf = (name: string | undefined): number | undefined => all.find((link) => link.ifname === name)?.ifindex
  return all
    .sort((a, b) => a.ifindex - b.ifindex)
    .map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      alternativeNames: link.altnames ?? [],
      kind: link.linkinfo?.info_kind,
      address: link.address,
      mtu: link.mtu,
      up: link.flags.includes('UP'),
      loopback: link.flags.includes('LOOPBACK'),
      promiscuous: link.promiscuity > 0,
      addresses: link.addr_info
        .map(({ family, local, prefixlen, scope }) => `${family} ${local}/${prefixlen} ${scope}`)
        .sort(byText),
      master: indexOf(link.master),
      peerIndex: link.link_index ?? indexOf(link.link),
      peerNetnsId: link.link_netnsid,
    }))
}

export function seen(list: NetworkInterface[]): object[] {
  return list.map((one) => ({
    index: one.index,
    name: one.name,
    alternativeNames: [...one.alternativeNames],
    kind: one.kind,
    address: one.address,
    mtu: one.mtu,
    up: one.up,
    loopback: one.loopback,
    promiscuous: one.promiscuous,
    addresses: one.addresses
      .map(
        ({ family, address, prefixLength, scope }) =>
          `${family === 4 ? 'inet' : 'inet6'} ${address}/${prefixLength} ${scope}`,
      )
      .sort(byText),
    master: one.master,
    peerIndex: one.peerIndex,
    peerNetnsId: one.peerNetnsId,
  }))
}
