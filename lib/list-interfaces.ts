import { native } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/**
 * The network interfaces of this process's network namespace, by index: all of them, loopback and those that are down
 * included. Needs no privilege.
 *
 * Synchronous: it asks the kernel over a netlink socket, which takes well under a millisecond for a hundred interfaces.
 * For what happens after, see `watchInterfaces()`. The `generation`s of two lists have nothing to do with each other.
 *
 * @returns a new array, the caller's to sort or change; the interfaces in it are frozen.
 * @throws CaptureError `ERR_SYSTEM` or `ERR_PERMISSION` where the kernel refuses (rare: a seccomp policy, no memory);
 *   `ERR_NATIVE_UNAVAILABLE` on platforms without the addon.
 */
export function listInterfaces(): NetworkInterface[] {
  return native().listInterfaces()
}
