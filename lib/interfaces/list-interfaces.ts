import { checkGroup, checkNetns } from '../arguments.js'
import { explainOpening } from '../permission.js'
import { linksNative } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/** Options of {@link listInterfaces}. */
export interface ListInterfacesOptions {
  /** Path of a network namespace, such as `/run/netns/blue`; needs CAP_SYS_ADMIN. Default: the one of this process. */
  netns?: string | undefined
}

/**
 * Lists the network interfaces of this process's network namespace, or of another one: all of them, including loopback
 * and those that are down. Needs no privilege in its own namespace.
 *
 * Synchronous: it queries the kernel over a netlink socket, which takes well under a millisecond for a hundred
 * interfaces; but the kernel may hold its RTNL lock, which that waits for, for a hundred milliseconds while it deletes
 * many devices. For changes use {@link watchInterfaces}. The `generation`s of two lists are not related.
 *
 * @returns A new array, by index, which the caller may sort or change; the interfaces in it are frozen.
 * @throws CaptureError `ERR_OPTION` for a wrong argument; `ERR_SYSTEM` or `ERR_PERMISSION` if the kernel refuses (rare:
 *   a seccomp policy, no memory); `ERR_NATIVE_UNAVAILABLE` on platforms without the addon.
 */
export function listInterfaces(options?: ListInterfacesOptions): NetworkInterface[] {
  const { netns } = checkGroup(options, 'options', ['netns'])
  try {
    return linksNative().listInterfaces(checkNetns(netns, 'options.netns'))
  } catch (error) {
    throw explainOpening(error)
  }
}
