/** An IP address of an interface. */
export interface InterfaceAddress {
  /** 4 or 6. */
  readonly family: 4 | 6
  /** The address in text form, without prefix or scope. */
  readonly address: string
  /** Length of the network prefix in bits. */
  readonly prefixLength: number
  /** How far the address is valid (ip-address(8)). */
  readonly scope: 'global' | 'site' | 'link' | 'host' | 'nowhere'
}

/**
 * A network interface as it was when this object was made: a snapshot, frozen. Changes come as events with a new one.
 *
 * The same index can name different devices one after another; what identifies a device is
 * (namespace, `index`, `generation`).
 */
export interface NetworkInterface {
  /** The kernel's interface index, unique within its network namespace at any one time. */
  readonly index: number
  /** The name, such as `eth0`. */
  readonly name: string
  /** Further names given with `ip link property add altname`. */
  readonly alternativeNames: readonly string[]
  /** What kind of device it is (`veth`, `bridge`, `vlan`, `tun`, …: rtnetlink's IFLA_INFO_KIND); `undefined` for hardware. */
  readonly kind: string | undefined
  /** What a packet starts with: a LINKTYPE_ number (https://www.tcpdump.org/linktypes.html); 1 Ethernet, 101 raw IP, `undefined` where none fits. */
  readonly linkType: number | undefined
  /** The kernel's device type, an ARPHRD_ number (linux/if_arp.h). */
  readonly hardwareType: number
  /** Link-layer (MAC) address as `aa:bb:cc:dd:ee:ff`; `undefined` where the device has none. */
  readonly address: string | undefined
  /** Maximum transmission unit in bytes. */
  readonly mtu: number
  /** Administratively up (IFF_UP). */
  readonly up: boolean
  /** Up and able to pass packets (IFF_RUNNING). */
  readonly running: boolean
  /** A loopback device (IFF_LOOPBACK). */
  readonly loopback: boolean
  /** Someone holds it in promiscuous mode, as far as the kernel tells (IFF_PROMISC). */
  readonly promiscuous: boolean
  /** Its IP addresses. */
  readonly addresses: readonly InterfaceAddress[]
  /** Index of the bridge, bond or team it belongs to. */
  readonly master: number | undefined
  /** Index of the other end of a veth, or of the device beneath a vlan or macvlan, in its own namespace. */
  readonly peerIndex: number | undefined
  /** The kernel's id of the namespace `peerIndex` is counted in; `undefined` where that is this namespace. */
  readonly peerNetnsId: number | undefined
  /** Counts the devices a monitor has seen: tells a device from a later one with the same index. */
  readonly generation: number
}
