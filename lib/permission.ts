import { constants } from 'node:os'
import { blame, CaptureError } from './errors.js'
import { type CapabilityName, has, type Privilege, readPrivilege } from './privilege.js'

/**
 * Why a capture is refused.
 *
 * - `unprivileged`: the process is not root and has no capability.
 * - `container`: the same inside a container (recognised by a reduced bounding set): `--cap-add` alone does not help a
 *   process that is not root.
 * - `bounding-set`: the capability is not in the bounding set, so neither this process nor its children can acquire it
 *   (a container without NET_RAW).
 * - `dropped`: the process is root, or was granted the capability, and has dropped it.
 * - `foreign-network`: the process has the capability only in a user namespace that does not own this network
 *   namespace.
 * - `refused`: the process has the capability, but a security module or seccomp refuses the call.
 * - `address-family`: packet sockets are not available on this system.
 * - `unknown`: none of these.
 */
export type PermissionReason =
  | 'unprivileged'
  | 'container'
  | 'bounding-set'
  | 'dropped'
  | 'foreign-network'
  | 'refused'
  | 'address-family'
  | 'unknown'

/**
 * The problem and its remedy, as text for the user.
 *
 * @internal
 */
export interface PermissionAdvice {
  readonly reason: PermissionReason
  /** One sentence. */
  readonly problem: string
  /** How to grant the privilege; every way, if there are several. */
  readonly remedy: string
}

/**
 * The capabilities that a capture can lack. NET_RAW: to open packet sockets. BPF: to create eBPF maps and to load
 * programs. SYS_ADMIN: to enter a network namespace.
 *
 * @internal
 */
export type NeededCapability = Extract<CapabilityName, 'NET_RAW' | 'BPF' | 'SYS_ADMIN'>

/** @internal */
export interface PermissionQuestion {
  /** The error number (errno(3)) of the system call that failed. */
  readonly errno: number
  /** The capability needed. Default: NET_RAW. */
  readonly capability?: NeededCapability
  /** The operation that failed, for NET_RAW, as named in the message. Default: `capturing`. */
  readonly doing?: string
  /** Path of the executable to name in the setcap(8) command. Default: this Node. */
  readonly program?: string
}

const { EPERM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, ENOSYS } = constants.errno
// Not in os.constants. This is Linux's number on every architecture except MIPS and SPARC.
const ESOCKTNOSUPPORT = 94

const withoutSocket = new Set<number>([EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, ENOSYS])

/**
 * Derives the problem and its remedy from the thread's privileges and the error number. A pure function;
 * `checkCapture()` and every `ERR_PERMISSION` use its text.
 *
 * @param privilege The thread's privileges; `undefined` if they could not be read.
 * @internal
 */
export function permissionAdvice(privilege: Privilege | undefined, question: PermissionQuestion): PermissionAdvice {
  const { errno, capability = 'NET_RAW', program = process.execPath } = question
  const doing = capability === 'NET_RAW' ? (question.doing ?? 'capturing') : operations[capability]
  const need: Need = { errno, capability, name: `CAP_${capability}`, doing, program }
  if (withoutSocket.has(errno)) return noPacketSockets(privilege)
  if (errno !== EPERM && errno !== EACCES) return noMatterOfPrivilege(need)
  if (!privilege) return unreadable(need)
  return grants(privilege.effective, capability) ? refusedAllTheSame(privilege, need) : lacking(privilege, need)
}

/** What was refused. */
interface Need {
  readonly errno: number
  readonly capability: NeededCapability
  /** As capabilities(7) writes it. */
  readonly name: string
  readonly doing: string
  readonly program: string
}

const operations = { SYS_ADMIN: 'entering a network namespace', BPF: 'loading an eBPF filter' } as const

/** Whether these capabilities contain this one, or another that implies it. */
function grants(capabilities: bigint, capability: NeededCapability): boolean {
  return has(capabilities, capability) || (capability === 'BPF' && has(capabilities, 'SYS_ADMIN'))
}

function noPacketSockets(privilege: Privilege | undefined): PermissionAdvice {
  return {
    reason: 'address-family',
    problem: `this system gives the process no packet sockets (AF_PACKET${privilege?.seccomp ? '; a seccomp filter is installed' : ''})`,
    remedy:
      'A systemd unit with RestrictAddressFamilies= must list AF_PACKET and AF_NETLINK; a seccomp profile must let ' +
      'socket(AF_PACKET, …) through; the kernel must be built with CONFIG_PACKET; a sandbox such as gVisor may not ' +
      'offer packet sockets at all: run in another runtime class there.',
  }
}

function noMatterOfPrivilege({ doing, errno }: Need): PermissionAdvice {
  return {
    reason: 'unknown',
    problem: `${doing} failed with error number ${errno}, which is no matter of privilege`,
    remedy: 'None is known.',
  }
}

function unreadable({ doing, name }: Need): PermissionAdvice {
  return {
    reason: 'unknown',
    problem: `${doing} needs ${name}, and what this process has cannot be read: /proc is not mounted`,
    remedy: `Run it as root or grant ${name}.`,
  }
}

/** For a process that has the capability. */
function refusedAllTheSame(privilege: Privilege, { errno, capability, name, doing }: Need): PermissionAdvice {
  // The kernel's capability check fails with EPERM; EACCES comes from a security module.
  if (privilege.userNamespace && errno === EPERM) return onlyInUserNamespace(capability, name)
  const suspects = privilege.seccomp ? 'a seccomp filter (one is installed) or a security module' : 'a security module'
  const allow =
    capability === 'NET_RAW'
      ? '; an SELinux policy must allow packet_socket, an AppArmor profile needs "network packet,", a seccomp ' +
        'profile must let socket, setsockopt and bind through'
      : ''
  return {
    reason: 'refused',
    problem: `the process has ${name}, and ${suspects} refuses ${doing} all the same`,
    remedy: `Look for the denial in the audit log ("ausearch -m avc,seccomp" or "dmesg")${allow}.`,
  }
}

function onlyInUserNamespace(capability: NeededCapability, name: string): PermissionAdvice {
  if (capability === 'BPF') {
    return {
      reason: 'foreign-network',
      problem: `the process has ${name} only inside its user namespace, where it does not count`,
      remedy: 'Run it outside the user namespace, or use the classic form of the filter (ring.table).',
    }
  }
  return {
    reason: 'foreign-network',
    problem: `the process has ${name} only inside its user namespace, and the network namespace belongs to another`,
    remedy:
      'Give it a network namespace of its own ("unshare -rn" rather than "unshare -r"; a rootless container ' +
      'without --network=host), or run it outside the user namespace.',
  }
}

/** For a process that does not have the capability. */
function lacking(privilege: Privilege, { capability, name, doing, program }: Need): PermissionAdvice {
  const { uid } = privilege
  const who = uid === 0 ? 'the process runs as root' : `the process runs as uid ${uid}`

  if (!grants(privilege.bounding, capability)) {
    return {
      reason: 'bounding-set',
      problem: `${doing} needs ${name}; ${who}, and its bounding set lacks ${name}, so that no program it starts can have it`,
      remedy: `${grantToContainer(capability)}${uid === 0 ? '' : ` A process that is not root needs file or ambient capabilities on top: ${ambient(capability)}.`}`,
    }
  }
  if (grants(privilege.permitted, capability) || uid === 0) {
    return {
      reason: 'dropped',
      problem: `${doing} needs ${name}; ${who}, and has given ${name} up`,
      remedy: `Start it in a way that keeps ${name}: look for capsh, setpriv, securebits or capset(2) where it is started.`,
    }
  }

  // On a host the bounding set is normally full. If SYS_ADMIN is missing, it was reduced, as container runtimes do.
  if (!has(privilege.bounding, 'SYS_ADMIN')) {
    return {
      reason: 'container',
      problem:
        `${doing} needs ${name}; ${who}, and ${name} is in its bounding set but not in its permitted set: ` +
        'in a container, --cap-add alone does not help a process that is not root',
      remedy:
        `Run it as uid 0 of the container (the other capabilities can be dropped); or start it from a root entry point ` +
        `with ${setpriv(capability)}; or, when the image is built, ${setcap(capability, program, privilege)}.`,
    }
  }
  return {
    reason: 'unprivileged',
    problem: `${doing} needs ${name}; ${who} without it`,
    remedy: `Run it as root; or with ambient capabilities, by ${ambient(capability)}; or ${setcap(capability, program, privilege)}.`,
  }
}

function grantToContainer(capability: NeededCapability): string {
  return (
    `Docker and Podman: --cap-add ${capability}. Kubernetes: securityContext.capabilities.add: ["${capability}"]. ` +
    `systemd: CapabilityBoundingSet= must contain CAP_${capability}.`
  )
}

function ambient(capability: NeededCapability): string {
  return `${setpriv(capability)}, as root, or AmbientCapabilities=CAP_${capability} in its systemd unit`
}

function setpriv(capability: NeededCapability): string {
  const cap = capability.toLowerCase()
  return `"setpriv --reuid <user> --regid <group> --init-groups --inh-caps +${cap} --ambient-caps +${cap} node …"`
}

function setcap(capability: NeededCapability, program: string, { noNewPrivileges }: Privilege): string {
  const quoted = /^[\w./+-]+$/.test(program) ? program : `'${program.replaceAll("'", "'\\''")}'`
  const useless = noNewPrivileges
    ? '; but file capabilities do not count under no_new_privs, which is set now (Kubernetes: ' +
      'allowPrivilegeEscalation: false; Docker: --security-opt no-new-privileges; systemd: NoNewPrivileges=)'
    : ''
  return (
    `use "setcap cap_${capability.toLowerCase()}+ep ${quoted}" ` +
    `(every script that this node runs then has it, and it ignores NODE_OPTIONS)${useless}`
  )
}

/**
 * Adds the missing capability and how to grant it to a native error about permissions: `ERR_PERMISSION`, or a socket(2)
 * call that failed because AF_PACKET is not supported. Any other error is returned unchanged.
 *
 * Must be called on the thread whose call failed, because privileges are per thread.
 *
 * @param advance Advice that precedes the remedy: a sentence.
 * @internal
 */
export function explainPermission(
  error: unknown,
  capability: NeededCapability = 'NET_RAW',
  doing?: string,
  advance?: string,
): unknown {
  if (!(error instanceof CaptureError) || error.errno === undefined) return error
  const isSocket = error.syscall === 'socket' && withoutSocket.has(error.errno)
  if (error.code !== 'ERR_PERMISSION' && !isSocket) return error
  const advice = permissionAdvice(readPrivilege(), { errno: error.errno, capability, ...(doing && { doing }) })
  const remedy = advance ? `${advance} ${advice.remedy}` : advice.remedy
  return new CaptureError('ERR_PERMISSION', `${error.message}: ${advice.problem}. ${remedy}`, {
    errno: error.errno,
    syscall: error.syscall,
    interface: error.interface,
    option: error.option,
    cause: error,
  })
}

/** The capability that a system call is refused for, if it is not NET_RAW. */
const neededBy: Readonly<Record<string, NeededCapability>> = { bpf: 'BPF', setns: 'SYS_ADMIN' }

/**
 * As {@link explainPermission}, for an error from opening sockets, possibly in another network namespace. If the native
 * code refused the filter or the namespace, sets `option` of the error.
 *
 * @internal
 */
export function explainOpening(error: unknown, doing?: string): unknown {
  if (!(error instanceof CaptureError)) return error
  if (error.code === 'ERR_FILTER_SYNTAX' || error.code === 'ERR_FILTER_TOO_LARGE') return blame(error, 'filter')
  if (error.code === 'ERR_OPTION' && (error.syscall === 'open' || error.syscall === 'setns')) {
    return blame(error, 'netns')
  }
  // The namespace's file could not be opened: no capability to name, and the message is complete.
  if (error.syscall === 'open') return error
  return explainPermission(error, neededBy[error.syscall ?? ''], doing)
}

/**
 * As {@link explainPermission}, for an error of a running capture, which may have given up privileges since it was
 * opened. An error of a system call that needs no capability, such as one on a file, is returned unchanged.
 *
 * @internal
 */
export function explainRunning(error: CaptureError): CaptureError {
  const { syscall = '' } = error
  const capability = neededBy[syscall] ?? (syscall === 'socket' || syscall === 'pcap_activate' ? 'NET_RAW' : undefined)
  if (!capability) return error
  const advance = `A program that drops privileges after it has opened a capture must keep CAP_${capability} for this.`
  return explainPermission(error, capability, 'opening a packet socket', advance) as CaptureError
}
