/** An IP address of an interface. */
export interface InterfaceAddress {
  /** The IP version: 4 or 6. */
  readonly family: 4 | 6
  /** The address in text form, without prefix or scope. */
  readonly address: string
  /** Length of the network prefix in bits. */
  readonly prefixLength: number
  /** The scope in which the address is valid (ip-address(8)). */
  readonly scope: 'global' | 'site' | 'link' | 'host' | 'nowhere'
}

/**
 * A network interface at one moment: a frozen snapshot. Changes come as events with a new one. Source: rtnetlink(7).
 *
 * An index can denote different devices one after another. A device is identified by its namespace, `index` and
 * `generation`.
 */
export interface NetworkInterface {
  /** The kernel's interface index, unique within its network namespace at any one time. */
  readonly index: number
  /** The name, such as `eth0`. */
  readonly name: string
  /** Further names, given with `ip link property add altname`. */
  readonly alternativeNames: readonly string[]
  /** The kind of device (`veth`, `bridge`, `vlan`, `tun`, …: rtnetlink's IFLA_INFO_KIND); `undefined` for hardware. */
  readonly kind: string | undefined
  /**
   * What its packets start with: a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html), such as 1 for Ethernet or
   * 101 for raw IP; `undefined` if none fits. See {@link LinkType}.
   */
  readonly linkType: number | undefined
  /** The kernel's device type, an ARPHRD_ number (linux/if_arp.h). */
  readonly hardwareType: number
  /** The link-layer (MAC) address as `aa:bb:cc:dd:ee:ff`; `undefined` if the device has none. */
  readonly address: string | undefined
  /** Maximum transmission unit in bytes. */
  readonly mtu: number
  /** Whether it is administratively up (IFF_UP). */
  readonly up: boolean
  /** Whether it is up and able to pass packets (IFF_RUNNING). */
  readonly running: boolean
  /** Whether it is a loopback device (IFF_LOOPBACK). */
  readonly loopback: boolean
  /** Whether it is in promiscuous mode, as far as the kernel reports it (IFF_PROMISC). */
  readonly promiscuous: boolean
  /** Its IP addresses. */
  readonly addresses: readonly InterfaceAddress[]
  /** Index of the bridge, bond or team that it is a port of; `undefined` if it is none. */
  readonly master: number | undefined
  /**
   * Index of the other end of a veth, or of the lower device of a VLAN or macvlan, in the namespace of that device;
   * `undefined` for others.
   */
  readonly peerIndex: number | undefined
  /** The kernel's id of the namespace that `peerIndex` belongs to; `undefined` if that is this namespace. */
  readonly peerNetnsId: number | undefined
  /**
   * Numbers the devices that this capture, watcher or list has seen, from 1: distinguishes a device from a later one
   * with the same index.
   */
  readonly generation: number
}
