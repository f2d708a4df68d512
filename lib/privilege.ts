import { readFileSync, statSync } from 'node:fs'

/** Bit numbers (linux/capability.h) of the capabilities (capabilities(7)) relevant to a capture. */
const capabilityBit = { NET_ADMIN: 12, NET_RAW: 13, SYS_ADMIN: 21, BPF: 39 } as const

/** @internal */
export type CapabilityName = keyof typeof capabilityBit

/**
 * Privileges of one thread, from its /proc status file (proc_pid_status(5)). The sets are bit masks by capability
 * number.
 *
 * @internal
 */
export interface Privilege {
  /** The effective user id, as seen inside the user namespace. */
  readonly uid: number
  /** CapEff: the capabilities that the kernel checks. */
  readonly effective: bigint
  /** CapPrm: the capabilities that the thread may make effective. */
  readonly permitted: bigint
  /** CapBnd: the upper limit of what execve(2) grants to root and to programs with file capabilities. */
  readonly bounding: bigint
  /**
   * CapAmb: the capabilities kept across execve(2) of a program without file capabilities, as a user other than root.
   */
  readonly ambient: bigint
  /** no_new_privs: file capabilities and set-user-ID bits are ignored (PR_SET_NO_NEW_PRIVS). */
  readonly noNewPrivileges: boolean
  /** A seccomp filter is installed. */
  readonly seccomp: boolean
  /** The thread is not in the initial user namespace. */
  readonly userNamespace: boolean
}

/** @internal */
export function has(mask: bigint, capability: CapabilityName): boolean {
  return ((mask >> BigInt(capabilityBit[capability])) & 1n) === 1n
}

/**
 * Reads the calling thread's privileges. Capabilities are per thread, not per process: hence `thread-self`, and a
 * synchronous read, because an asynchronous one runs on a thread of the pool.
 *
 * @returns `undefined` if /proc is not mounted.
 * @internal
 */
export function readPrivilege(): Privilege | undefined {
  for (const path of ['/proc/thread-self/status', '/proc/self/status']) {
    try {
      return parsePrivilege(readFileSync(path, 'latin1'), isUserNamespace())
    } catch {
      // Try the next path.
    }
  }
  return undefined
}

/**
 * @param status The text of /proc/…/status. A missing line (an old or an emulated kernel) counts as zero.
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

// The initial user namespace has a fixed inode number (include/linux/proc_ns.h, PROC_USER_INIT_INO). The uid map does
// not distinguish it: a child namespace may map every id to itself.
function isUserNamespace(): boolean {
  try {
    return statSync('/proc/self/ns/user').ino !== 0xeffffffd
  } catch {
    return false
  }
}
