import { constants } from 'node:os'
import { blame, CaptureError } from './errors.js'
import { type CapabilityName, has, type Privilege, readPrivilege } from './privilege.js'

/**
 * Why a capture is refused.
 *
 * - `unprivileged`: the process is not root and has no capability.
 * - `container`: the same inside a container, by its bounding set: `--cap-add` alone does not help a process that is
 *   not root.
 * - `bounding-set`: the capability cannot be had in the whole process tree (a container without NET_RAW).
 * - `dropped`: root, or a process that was granted the capability, and does not have it any more.
 * - `foreign-network`: the capability counts in a user namespace that does not own this network namespace.
 * - `refused`: the process has the capability, and a security module or seccomp refuses.
 * - `address-family`: there are no packet sockets on this system.
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
 * What is wrong, and what to do about it, for people.
 *
 * @internal
 */
export interface PermissionAdvice {
  readonly reason: PermissionReason
  /** One sentence. */
  readonly problem: string
  /** The way to grant it; the ways, where there are several. */
  readonly remedy: string
}

/** @internal */
export interface PermissionQuestion {
  /** The error number of the call that failed. */
  readonly errno: number
  /** What the call wanted. NET_RAW: to open packet sockets. SYS_ADMIN: to enter a network namespace. */
  readonly capability?: CapabilityName
  /** What was to be done, for NET_RAW. Default: `capturing`. */
  readonly doing?: string
  /** The program that setcap(8) would be used on. Default: this Node. */
  readonly program?: string
}

const { EPERM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, ENOSYS } = constants.errno
// Absent from os.constants: Linux's own number, the same on every architecture but MIPS and SPARC.
const ESOCKTNOSUPPORT = 94

const withoutSocket = new Set<number>([EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, ENOSYS])

/**
 * From what the thread may do and how the kernel answered to the problem in words and its remedy. Pure; the one place
 * with this wording, for `checkCapture()` and for every `ERR_PERMISSION`.
 *
 * @param privilege `undefined` where it could not be read.
 * @internal
 */
export function permissionAdvice(privilege: Privilege | undefined, question: PermissionQuestion): PermissionAdvice {
  const { errno, capability = 'NET_RAW', program = process.execPath } = question
  const name = `CAP_${capability}`
  const doing = capability === 'SYS_ADMIN' ? 'entering a network namespace' : (question.doing ?? 'capturing')

  if (withoutSocket.has(errno)) {
    return {
      reason: 'address-family',
      problem: `this system gives the process no packet sockets (AF_PACKET${privilege?.seccomp ? '; a seccomp filter is installed' : ''})`,
      remedy:
        'A systemd unit with RestrictAddressFamilies= must list AF_PACKET and AF_NETLINK; a seccomp profile must let ' +
        'socket(AF_PACKET, …) through; the kernel must be built with CONFIG_PACKET; a sandbox such as gVisor may not ' +
        'offer packet sockets at all: run in another runtime class there.',
    }
  }
  if (errno !== EPERM && errno !== EACCES) {
    return {
      reason: 'unknown',
      problem: `${doing} failed with error number ${errno}, which is no matter of privilege`,
      remedy: 'None is known.',
    }
  }
  if (!privilege) {
    return {
      reason: 'unknown',
      problem: `${doing} needs ${name}, and what this process has cannot be read: /proc is not mounted`,
      remedy: `Run it as root or grant ${name}.`,
    }
  }

  if (has(privilege.effective, capability)) {
    // EACCES is how security modules answer; the capability check itself answers EPERM.
    if (privilege.userNamespace && errno === EPERM) {
      return {
        reason: 'foreign-network',
        problem: `the process has ${name} only inside its user namespace, and the network namespace belongs to another`,
        remedy:
          'Give it a network namespace of its own ("unshare -rn" rather than "unshare -r"; a rootless container ' +
          'without --network=host), or run it outside the user namespace.',
      }
    }
    const suspects = privilege.seccomp
      ? 'a seccomp filter (one is installed) or a security module'
      : 'a security module'
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

  const { uid } = privilege
  const who = uid === 0 ? 'the process runs as root' : `the process runs as uid ${uid}`

  if (!has(privilege.bounding, capability)) {
    return {
      reason: 'bounding-set',
      problem: `${doing} needs ${name}; ${who}, and its bounding set lacks ${name}, so that no program it starts can have it`,
      remedy: `${grantToContainer(capability)}${uid === 0 ? '' : ` A process that is not root needs file or ambient capabilities on top: ${ambient(capability)}.`}`,
    }
  }
  if (has(privilege.permitted, capability) || uid === 0) {
    return {
      reason: 'dropped',
      problem: `${doing} needs ${name}; ${who}, and has given ${name} up`,
      remedy: `Start it in a way that keeps ${name}: look for capsh, setpriv, securebits or capset(2) where it is started.`,
    }
  }

  // Root's bounding set on a host is full; without SYS_ADMIN in it somebody has cut it down, as container runtimes do.
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

function grantToContainer(capability: CapabilityName): string {
  return (
    `Docker and Podman: --cap-add ${capability}. Kubernetes: securityContext.capabilities.add: ["${capability}"]. ` +
    `systemd: CapabilityBoundingSet= must contain CAP_${capability}.`
  )
}

function ambient(capability: CapabilityName): string {
  return `${setpriv(capability)}, as root, or AmbientCapabilities=CAP_${capability} in its systemd unit`
}

function setpriv(capability: CapabilityName): string {
  const cap = capability.toLowerCase()
  return `"setpriv --reuid <user> --regid <group> --init-groups --inh-caps +${cap} --ambient-caps +${cap} node …"`
}

function setcap(capability: CapabilityName, program: string, { noNewPrivileges }: Privilege): string {
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
 * An error of the native side, made to say which capability is missing and how to grant it, where it is about that:
 * `ERR_PERMISSION`, and a socket(2) that knows no AF_PACKET. Any other error comes back as it is.
 *
 * Call it on the thread that made the call: privileges belong to the thread.
 *
 * @internal
 */
export function explainPermission(error: unknown, capability: CapabilityName = 'NET_RAW', doing?: string): unknown {
  if (!(error instanceof CaptureError) || error.errno === undefined) return error
  const isSocket = error.syscall === 'socket' && withoutSocket.has(error.errno)
  if (error.code !== 'ERR_PERMISSION' && !isSocket) return error
  const advice = permissionAdvice(readPrivilege(), { errno: error.errno, capability, ...(doing && { doing }) })
  return new CaptureError('ERR_PERMISSION', `${error.message}: ${advice.problem}. ${advice.remedy}`, {
    errno: error.errno,
    syscall: error.syscall,
    interface: error.interface,
    cause: error,
  })
}

/**
 * As {@link explainPermission}, for an error of opening sockets, possibly in another network namespace; with `option`
 * where it is one that the native side refused.
 *
 * @internal
 */
export function explainOpening(error: unknown, doing?: string): unknown {
  // A namespace's file that this user may not open has nothing to do with it: the message says it all.
  if (!(error instanceof CaptureError)) return error
  if (error.code === 'ERR_FILTER_SYNTAX' || error.code === 'ERR_FILTER_TOO_LARGE') return blame(error, 'filter')
  if (error.code === 'ERR_OPTION' && (error.syscall === 'open' || error.syscall === 'setns')) {
    return blame(error, 'netns')
  }
  if (error.syscall === 'open') return error
  return explainPermission(error, error.syscall === 'setns' ? 'SYS_ADMIN' : 'NET_RAW', doing)
}
