import { CaptureError, type PermissionReason } from 'ringtap'
import t from 'tap'

interface Privilege {
  uid: number
  effective: bigint
  permitted: bigint
  bounding: bigint
  ambient: bigint
  noNewPrivileges: boolean
  seccomp: boolean
  userNamespace: boolean
}

// Not exported: loaded from beside the package's entry point.
const internal = async (name: string) => import(new URL(name, import.meta.resolve('ringtap')).href)
const { permissionAdvice, explainPermission, explainOpening, explainRunning } = (await internal('./permission.js')) as {
  permissionAdvice(
    privilege: Privilege | undefined,
    question: { errno: number; capability?: string; program?: string },
  ): { reason: PermissionReason; problem: string; remedy: string }
  explainPermission(error: unknown, capability?: string): unknown
  explainOpening(error: unknown): unknown
  explainRunning(error: unknown): unknown
}
// The status file of other kernels and privileges cannot be had here, so its parser is called directly.
const { parsePrivilege } = (await internal('./privilege.js')) as {
  parsePrivilege(status: string, userNamespace: boolean): Privilege
}

const NET_RAW = 1n << 13n
const SYS_ADMIN = 1n << 21n
const all = (1n << 41n) - 1n
const docker = 0xa80425fbn // Docker's default capability set; it contains NET_RAW
const [EPERM, EACCES, EMFILE, EAFNOSUPPORT, EPROTONOSUPPORT] = [1, 13, 24, 97, 93]

const root: Privilege = {
  uid: 0,
  effective: all,
  permitted: all,
  bounding: all,
  ambient: 0n,
  noNewPrivileges: false,
  seccomp: false,
  userNamespace: false,
}
const user: Privilege = { ...root, uid: 1000, effective: 0n, permitted: 0n }

interface Case {
  what: string
  privilege: Privilege | undefined
  errno?: number
  capability?: string
  reason: PermissionReason
  problem: RegExp
  remedy: RegExp
  not?: RegExp
}

const cases: Case[] = [
  {
    what: 'a plain user on a host',
    privilege: user,
    reason: 'unprivileged',
    problem: /^capturing needs CAP_NET_RAW; the process runs as uid 1000 without it$/,
    remedy:
      /as root;.*setpriv .*--inh-caps \+net_raw --ambient-caps \+net_raw.*AmbientCapabilities=CAP_NET_RAW.*"setcap cap_net_raw\+ep \/opt\/node".*ignores NODE_OPTIONS/,
    not: /no_new_privs|--cap-add/,
  },
  {
    what: 'the same under no_new_privs',
    privilege: { ...user, noNewPrivileges: true },
    reason: 'unprivileged',
    problem: /without it/,
    remedy: /do not count under no_new_privs, which is set now \(Kubernetes: allowPrivilegeEscalation: false/,
  },
  {
    what: 'a container, --cap-add NET_RAW, not root',
    privilege: { ...user, bounding: docker },
    reason: 'container',
    problem: /in its bounding set but not in its permitted set: in a container, --cap-add alone does not help/,
    remedy: /uid 0 of the container.*setpriv.*setcap cap_net_raw\+ep/,
  },
  {
    what: 'a container without NET_RAW, root in it',
    privilege: { ...root, effective: docker & ~NET_RAW, permitted: docker & ~NET_RAW, bounding: docker & ~NET_RAW },
    reason: 'bounding-set',
    problem: /runs as root, and its bounding set lacks CAP_NET_RAW/,
    remedy: /--cap-add NET_RAW\. Kubernetes: securityContext\.capabilities\.add: \["NET_RAW"\].*CapabilityBoundingSet=/,
    not: /setpriv/,
  },
  {
    what: 'a container without NET_RAW, not root',
    privilege: { ...user, bounding: docker & ~NET_RAW },
    reason: 'bounding-set',
    problem: /runs as uid 1000, and its bounding set lacks/,
    remedy: /--cap-add NET_RAW.*not root needs file or ambient capabilities on top.*setpriv/,
  },
  {
    what: 'root that gave it up',
    privilege: { ...root, effective: 0n, permitted: 0n },
    reason: 'dropped',
    problem: /runs as root, and has given CAP_NET_RAW up/,
    remedy: /securebits/,
  },
  {
    what: 'permitted and not effective',
    privilege: { ...user, permitted: NET_RAW },
    reason: 'dropped',
    problem: /uid 1000, and has given/,
    remedy: /capset/,
  },
  {
    what: 'a user namespace in the network of another',
    privilege: { ...root, userNamespace: true },
    reason: 'foreign-network',
    problem: /only inside its user namespace/,
    remedy: /unshare -rn.*--network=host/,
  },
  {
    what: 'a security module',
    privilege: root,
    errno: EACCES,
    reason: 'refused',
    problem: /has CAP_NET_RAW, and a security module refuses capturing/,
    remedy: /SELinux.*AppArmor/,
  },
  {
    what: 'a security module, in a user namespace',
    privilege: { ...root, userNamespace: true },
    errno: EACCES,
    reason: 'refused',
    problem: /security module/,
    remedy: /audit/,
  },
  {
    what: 'seccomp',
    privilege: { ...root, seccomp: true },
    reason: 'refused',
    problem: /a seccomp filter \(one is installed\) or a security module/,
    remedy: /seccomp profile must let socket/,
  },
  {
    what: 'no packet sockets',
    privilege: root,
    errno: EAFNOSUPPORT,
    reason: 'address-family',
    problem: /no packet sockets \(AF_PACKET\)$/,
    remedy: /RestrictAddressFamilies= must list AF_PACKET.*CONFIG_PACKET.*gVisor/,
  },
  {
    what: 'no packet sockets, by seccomp',
    privilege: { ...user, seccomp: true },
    errno: EPROTONOSUPPORT,
    reason: 'address-family',
    problem: /a seccomp filter is installed/,
    remedy: /seccomp profile/,
  },
  {
    what: 'no packet sockets and no /proc',
    privilege: undefined,
    errno: EAFNOSUPPORT,
    reason: 'address-family',
    problem: /AF_PACKET/,
    remedy: /CONFIG_PACKET/,
  },
  {
    what: 'no /proc',
    privilege: undefined,
    reason: 'unknown',
    problem: /\/proc is not mounted/,
    remedy: /grant CAP_NET_RAW/,
  },
  {
    what: 'something else',
    privilege: root,
    errno: EMFILE,
    reason: 'unknown',
    problem: /error number 24/,
    remedy: /./,
  },
  {
    what: 'entering a namespace with NET_RAW alone',
    privilege: { ...user, effective: NET_RAW, permitted: NET_RAW, ambient: NET_RAW },
    capability: 'SYS_ADMIN',
    reason: 'unprivileged',
    problem: /^entering a network namespace needs CAP_SYS_ADMIN; the process runs as uid 1000 without it/,
    remedy: /--ambient-caps \+sys_admin.*AmbientCapabilities=CAP_SYS_ADMIN/,
    not: /NET_RAW/i,
  },
  {
    what: 'entering a namespace from a container',
    privilege: { ...root, effective: docker, permitted: docker, bounding: docker },
    capability: 'SYS_ADMIN',
    reason: 'bounding-set',
    problem: /bounding set lacks CAP_SYS_ADMIN/,
    remedy: /--cap-add SYS_ADMIN/,
  },
  {
    what: 'entering a namespace against a security module',
    privilege: { ...root, effective: SYS_ADMIN },
    errno: EACCES,
    capability: 'SYS_ADMIN',
    reason: 'refused',
    problem: /refuses entering a network namespace/,
    remedy: /audit log/,
    not: /packet_socket/,
  },
  {
    what: 'eBPF for a user',
    privilege: user,
    capability: 'BPF',
    reason: 'unprivileged',
    problem: /^loading an eBPF filter needs CAP_BPF; the process runs as uid 1000 without it$/,
    remedy: /--ambient-caps \+bpf.*AmbientCapabilities=CAP_BPF.*"setcap cap_bpf\+ep \/opt\/node"/,
    not: /NET_RAW|net_raw/,
  },
  {
    what: 'eBPF for a root that has dropped it',
    privilege: { ...root, effective: NET_RAW },
    capability: 'BPF',
    reason: 'dropped',
    problem: /needs CAP_BPF; .*has given CAP_BPF up/,
    remedy: /keeps CAP_BPF/,
  },
  {
    what: 'eBPF with CAP_SYS_ADMIN, which implies CAP_BPF, against seccomp',
    privilege: { ...root, effective: SYS_ADMIN, seccomp: true },
    capability: 'BPF',
    reason: 'refused',
    problem: /seccomp filter \(one is installed\).* refuses loading an eBPF filter/,
    remedy: /audit log/,
    not: /packet_socket/,
  },
  {
    what: 'eBPF in a user namespace',
    privilege: { ...root, userNamespace: true },
    capability: 'BPF',
    reason: 'foreign-network',
    problem: /CAP_BPF only inside its user namespace/,
    remedy: /outside the user namespace.*ring\.table/,
    not: /unshare -rn/,
  },
]

t.test('the advice fits the privileges that are missing', async (t) => {
  for (const { what, privilege, errno = EPERM, capability, reason, problem, remedy, not } of cases) {
    const advice = permissionAdvice(privilege, {
      errno: errno as number,
      program: '/opt/node',
      ...(capability === undefined ? {} : { capability }),
    })
    t.equal(advice.reason, reason, what)
    t.match(advice.problem, problem, what)
    t.match(advice.remedy, remedy, what)
    if (not) t.notMatch(advice.problem + advice.remedy, not, what)
    t.notMatch(advice.problem, /\.$/, 'fits into a sentence')
    t.match(advice.remedy, /\.$/, 'is a sentence')
  }
  t.match(permissionAdvice(user, { errno: 1 }).remedy, process.execPath, 'the program is this node')
  t.match(
    permissionAdvice(user, { errno: 1, program: "/o p/it's" }).remedy,
    `+ep '/o p/it'\\''s'"`,
    'quoted for the shell',
  )
})

t.test('a permission error is extended by the advice, other errors stay', async (t) => {
  const system = new CaptureError('ERR_SYSTEM', 'socket: Too many open files', { errno: 24, syscall: 'socket' })
  t.equal(explainPermission(system), system, 'leaves other errors alone')
  const foreign = new Error('x')
  t.equal(explainPermission(foreign), foreign)
  const refused = new CaptureError('ERR_PERMISSION', 'socket: Operation not permitted', { errno: 1, syscall: 'socket' })
  const explained = explainPermission(refused)
  t.match(explained, { code: 'ERR_PERMISSION', errno: 1, syscall: 'socket', cause: refused })
  t.match((explained as Error).message, /^socket: Operation not permitted: .*CAP_NET_RAW.*\. .*\.$/)
  const family = new CaptureError('ERR_SYSTEM', 'socket: no', { errno: 97, syscall: 'socket' })
  t.match(explainPermission(family), { code: 'ERR_PERMISSION', message: /RestrictAddressFamilies/ })
  const elsewhere = new CaptureError('ERR_SYSTEM', 'bind: no', { errno: 97, syscall: 'bind' })
  t.equal(explainPermission(elsewhere), elsewhere)
})

t.test('the advice names the capability that the system call needs', async (t) => {
  const denied = (syscall: string) =>
    new CaptureError('ERR_PERMISSION', `${syscall}: Operation not permitted`, { errno: EPERM as number, syscall })
  for (const [syscall, capability] of [
    ['bpf', 'CAP_BPF'],
    ['setns', 'CAP_SYS_ADMIN'],
    ['socket', 'CAP_NET_RAW'],
    ['pcap_activate', 'CAP_NET_RAW'],
  ] as const) {
    const names = (error: unknown) => [...new Set((error as Error).message.match(/CAP_(BPF|SYS_ADMIN|NET_RAW)/g))]
    t.same(names(explainOpening(denied(syscall))), [capability], `${syscall}, when opening`)
    t.same(names(explainRunning(denied(syscall))), [capability], `${syscall}, later`)
    t.match((explainRunning(denied(syscall)) as Error).message, `must keep ${capability}`)
  }
  const file = denied('rename')
  t.equal(explainRunning(file), file, 'an error of a file stays as it is')
})

t.test('privileges are parsed from /proc/self/status', async (t) => {
  const status =
    'Name:\tnode\nUid:\t1000\t1001\t1002\t1003\nCapInh:\t0000000000000001\nCapPrm:\t0000000000002000\nCapEff:\t0000000000002400\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\n'
  t.strictSame(parsePrivilege(status, true), {
    uid: 1001,
    effective: 0x2400n,
    permitted: 0x2000n,
    bounding: all,
    ambient: 0x400n,
    noNewPrivileges: true,
    seccomp: true,
    userNamespace: true,
  })
  t.match(parsePrivilege('Uid:\t5\t5\t5\t5\n', false), {
    uid: 5,
    effective: 0n,
    bounding: 0n,
    noNewPrivileges: false,
    seccomp: false,
  })
})
