import { checkGroup, checkNetns } from '../arguments.js'
import { explainOpening } from '../permission.js'
import { native } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/** Options of {@link listInterfaces}. */
export interface ListInterfacesOptions {
  /** Path of a network namespace, such as `/run/netns/blue`; needs CAP_SYS_ADMIN. Default: that of this process. */
  netns?: string | undefined
}

/**
 * The network interfaces of this process's network namespace, or another, by index: all of them, loopback and those that
 * are down included. Needs no privilege in its own.
 *
 * Synchronous: it asks the kernel over a netlink socket, which takes well under a millisecond for a hundred interfaces.
 * For what happens after, see `watchInterfaces()`. The `generation`s of two lists have nothing to do with each other.
 *
 * @returns a new array, the caller's to sort or change; the interfaces in it are frozen.
 * @throws CaptureError `ERR_OPTION` for a wrong argument; `ERR_SYSTEM` or `ERR_PERMISSION` where the kernel refuses (rare: a seccomp policy, no memory);
 *   `ERR_NATIVE_UNAVAILABLE` on platforms without the addon.
 */
export function listInterfaces(options?: ListInterfacesOptions): NetworkInterface[] {
  const { netns } = checkGroup(options, 'options', ['netns'])
  try {
    return native().listInterfaces(checkNetns(netns, 'options.netns'))
  } catch (error) {
    throw explainOpening(error)
  }
}
