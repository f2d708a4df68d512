import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { CaptureError, type CaptureErrorCode } from '../errors.js'
import { type PermissionReason, permissionAdvice } from '../permission.js'
import { has, type Privilege, readPrivilege } from '../privilege.js'
import { type CaptureNative as Native, native } from './native.js'

/** Something that keeps this process from capturing. */
export interface CaptureProblem {
  /** The `code` of the error that `Capture.open()` would fail with. */
  readonly code: CaptureErrorCode
  /** The kind of refusal, if it is one. Stable, for programs. */
  readonly reason?: PermissionReason
  /** What is wrong, in one sentence. */
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
}

/** Whether this thread can capture here: the result of {@link checkCapture}. */
export interface CaptureCheck {
  /** Whether a capture with the default options can be opened. */
  readonly ok: boolean
  /** Why not; empty if `ok`. */
  readonly problems: readonly CaptureProblem[]
  /** What a capture will lack, each in one sentence: it works, with less. */
  readonly limits: readonly string[]
  /** The effective capabilities of the calling thread (capabilities(7)); all false if /proc is not mounted. */
  readonly capabilities: {
    /** CAP_NET_RAW: all that a capture needs. */
    readonly netRaw: boolean
    /** CAP_NET_ADMIN: not needed. */
    readonly netAdmin: boolean
    /** CAP_BPF: for the eBPF form of the filter, which counts packets per interface. */
    readonly bpf: boolean
    /** CAP_SYS_ADMIN: for the option `netns`; implies CAP_BPF. */
    readonly sysAdmin: boolean
  }
  /** The effective user id, as seen inside the user namespace; `undefined` if /proc is not mounted. */
  readonly uid: number | undefined
  /**
   * Whether the process is in a user namespace (a rootless container, `unshare -r`): its capabilities count only there.
   */
  readonly userNamespace: boolean
  /** Whether a packet socket (packet(7)) could be opened; this was tried. */
  readonly packetSocket: boolean
  /** Whether a TPACKET_V3 ring could be set up on it; this was tried. If not, `backend: 'pcap'` may still work. */
  readonly ring: boolean
  /**
   * Whether an eBPF map and a socket filter could be loaded (bpf(2)); this was tried, unless the capabilities rule it
   * out.
   */
  readonly ebpf: boolean
  /** The version of libpcap, such as `1.10.5`; `undefined` without the native addon. */
  readonly libpcap: string | undefined
  /** The release of the kernel (`uname -r`). */
  readonly kernel: string
  /** Kernel settings relevant to a capture, by their sysctl(8) names; those that cannot be read are absent. */
  readonly sysctls: Readonly<Record<string, string>>
  /** A summary in a few lines, for a log or a terminal. */
  readonly text: string
}

const sysctlNames = ['kernel.unprivileged_bpf_disabled', 'net.core.bpf_jit_enable', 'net.core.netdev_max_backlog']

/**
 * Checks whether this process can capture packets here and, if not, what is missing and how to grant it.
 *
 * It opens minimal versions of what a capture uses, in the caller's network namespace, and closes them. Synchronous,
 * because privileges belong to the calling thread. It can take some tens of milliseconds, because the kernel waits for
 * packets in flight before it closes a packet socket. Never throws: if the native addon cannot be loaded, that is the
 * problem reported.
 */
export function checkCapture(): CaptureCheck {
  const privilege = readPrivilege()
  const effective = privilege?.effective ?? 0n
  const capabilities = {
    netRaw: has(effective, 'NET_RAW'),
    netAdmin: has(effective, 'NET_ADMIN'),
    bpf: has(effective, 'BPF'),
    sysAdmin: has(effective, 'SYS_ADMIN'),
  }
  const sysctls = readSysctls()
  const problems: CaptureProblem[] = []
  const limits: string[] = []
  let sockets = { packetSocket: false, ring: false }
  let ebpf = false

  const addon = load(problems)
  if (addon) {
    sockets = checkSockets(addon, privilege, problems)
    const mayUseBpf = capabilities.bpf || capabilities.sysAdmin
    if (mayUseBpf || sysctls['kernel.unprivileged_bpf_disabled'] === '0') {
      const { map, program } = addon.probeBpf()
      ebpf = map === 0 && program === 0
    }
    if (!ebpf) limits.push(withoutEbpf(privilege, mayUseBpf))
    if (!capabilities.sysAdmin) limits.push('No CAP_SYS_ADMIN: the option "netns" cannot be used.')
  }

  const check = {
    ok: problems.length === 0,
    problems,
    limits,
    capabilities,
    uid: privilege?.uid,
    userNamespace: privilege?.userNamespace ?? false,
    ...sockets,
    ebpf,
    libpcap: addon?.libpcapVersion(),
    kernel: release(),
    sysctls,
  }
  return { ...check, text: summary(check) }
}

/** Opens a packet socket and a ring; adds what is wrong with them to `problems`. */
function checkSockets(
  addon: Native,
  privilege: Privilege | undefined,
  problems: CaptureProblem[],
): { packetSocket: boolean; ring: boolean } {
  const errors = addon.probePacketSocket()
  const packetSocket = errors.socket === 0
  const ring = packetSocket && errors.ring === 0
  if (!packetSocket) {
    const { reason, problem, remedy } = permissionAdvice(privilege, { errno: errors.socket })
    problems.push(
      reason === 'unknown' && privilege
        ? { code: 'ERR_SYSTEM', message: `a packet socket cannot be opened: ${errorName(errors.socket)}`, remedy }
        : { code: 'ERR_PERMISSION', reason, message: problem, remedy },
    )
  } else if (!ring) {
    problems.push({
      code: 'ERR_SYSTEM',
      message: `packet sockets have no TPACKET_V3 ring here: ${errorName(errors.ring)}`,
      remedy: 'Capture through libpcap, with "backend: \'pcap\'".',
    })
  }
  return { packetSocket, ring }
}

/** What a capture lacks without eBPF, and why there is none. */
function withoutEbpf(privilege: Privilege | undefined, mayUseBpf: boolean): string {
  const why = privilege?.userNamespace
    ? 'a user namespace cannot grant it'
    : mayUseBpf
      ? 'bpf(2) is refused by seccomp, a security module or the kernel'
      : 'CAP_BPF is missing'
  return `No eBPF filter (${why}): the classic one is used, and what the ring drops is counted in total, not per interface.`
}

function load(problems: CaptureProblem[]): Native | undefined {
  try {
    return native()
  } catch (error) {
    const code = error instanceof CaptureError ? error.code : 'ERR_NATIVE_UNAVAILABLE'
    problems.push({
      code,
      message: error instanceof Error ? error.message : String(error),
      remedy:
        code === 'ERR_NOT_SUPPORTED'
          ? 'Capture on a Linux system, and read its files here.'
          : 'Install a build of ringtap for this platform, or build it from source.',
    })
    return undefined
  }
}

function readSysctls(): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of sysctlNames) {
    try {
      found[name] = readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'latin1').trim()
    } catch {
      // Absent in this kernel or container, or readable by root only.
    }
  }
  return found
}

function errorName(errno: number): string {
  return getSystemErrorName(-errno)
}

function summary(check: Omit<CaptureCheck, 'text'>): string {
  const versions = `Linux ${check.kernel}, ${check.libpcap === undefined ? 'no native addon' : `libpcap ${check.libpcap}`}`
  const lines = [`${check.ok ? 'This process can capture' : 'This process cannot capture'} (${versions}).`]
  for (const { message, remedy } of check.problems) lines.push(`Problem: ${message}.`, `Remedy: ${remedy}`)
  if (check.ok) lines.push(...check.limits)
  return lines.join('\n')
}
