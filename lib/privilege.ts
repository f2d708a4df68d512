import { readFileSync, statSync } from 'node:fs'

/**
 * The capabilities (capabilities(7)) that matter to a capture, by their bit number in linux/capability.h.
 *
 * @internal
 */
export const capabilityBit = { NET_ADMIN: 12, NET_RAW: 13, SYS_ADMIN: 21, BPF: 39 } as const

/** @internal */
export type CapabilityName = keyof typeof capabilityBit

/**
 * What one thread may do, from its /proc status file (proc_pid_status(5)). The sets are bit masks by capability number.
 *
 * @internal
 */
export interface Privilege {
  /** The effective user id, as seen inside the user namespace. */
  readonly uid: number
  /** CapEff: what the kernel checks. */
  readonly effective: bigint
  /** CapPrm: what the thread may make effective. */
  readonly permitted: bigint
  /** CapBnd: the most an exec(2) can ever give, to root and to programs with file capabilities. */
  readonly bounding: bigint
  /** CapAmb: what an exec(2) keeps without either. */
  readonly ambient: bigint
  /** no_new_privs: file capabilities and set-user-ID give nothing (PR_SET_NO_NEW_PRIVS). */
  readonly noNewPrivileges: boolean
  /** A seccomp filter is installed. */
  readonly seccomp: boolean
  /** The thread is in a user namespace other than the machine's first. */
  readonly userNamespace: boolean
}

/** @internal */
export function has(mask: bigint, capability: CapabilityName): boolean {
  return ((mask >> BigInt(capabilityBit[capability])) & 1n) === 1n
}

/**
 * Reads the calling thread's privileges. Capabilities belong to the thread, not to the process: hence `thread-self`,
 * and the synchronous read, which alone is sure to run on the caller's thread.
 *
 * @returns `undefined` where /proc is not mounted.
 * @internal
 */
export function readPrivilege(): Privilege | undefined {
  for (const path of ['/proc/thread-self/status', '/proc/self/status']) {
    try {
      return parsePrivilege(readFileSync(path, 'latin1'), isUserNamespace())
    } catch {
      // The next one, or unknown.
    }
  }
  return undefined
}

/**
 * @param status The text of /proc/…/status. A line that is missing (an old kernel, an emulated one) counts as zero.
 * @internal
 */
export function parsePrivilege(status: string, userNamespace: boolean): Privilege {
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? ''
  const mask = (name: string) => (/^[0-9a-f]+$/i.test(field(name)) ? BigInt(`0x${field(name)}`) : 0n)
  return {
    uid: Number(field('Uid').split(/\s+/)[1] ?? Number.NaN), // real, effective, saved, file system
    effective: mask('CapEff'),
    permitted: mask('CapPrm'),
    bounding: mask('CapBnd'),
    ambient: mask('CapAmb'),
    noNewPrivileges: field('NoNewPrivs') === '1',
    seccomp: field('Seccomp') === '2',
    userNamespace,
  }
}

// The first user namespace has a fixed inode number (include/linux/proc_ns.h, PROC_USER_INIT_INO). The uid map would
// not do: a namespace below may map every id to itself.
function isUserNamespace(): boolean {
  try {
    return statSync('/proc/self/ns/user').ino !== 0xeffffffd
  } catch {
    return false
  }
}
