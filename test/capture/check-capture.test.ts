import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type CaptureCheck, checkCapture, type PermissionReason } from 'ringtap'
import t from 'tap'
import { bareEnvironment } from '../helpers/child-environment.js'

const entry = import.meta.resolve('ringtap')

t.test('checkCapture() agrees with this process and leaves no descriptor', async (t) => {
  const check = checkCapture()
  t.equal(check.ok, check.problems.length === 0)
  t.equal(check.ok, check.packetSocket && check.ring)
  t.equal(check.uid, process.geteuid?.())
  t.match(check.libpcap, /^\d+\.\d+/)
  t.equal(check.kernel, readFileSync('/proc/sys/kernel/osrelease', 'latin1').trim())
  t.match(
    check.text,
    check.ok ? /^This process can capture \(Linux / : /^This process cannot capture .*\nProblem: .*\nRemedy: /,
  )

  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  for (let i = 0; i < 10; i++) checkCapture()
  t.equal(open(), before, 'no descriptor stays behind')

  const worker = new Worker(
    `require('node:worker_threads').parentPort.postMessage(require('ringtap').checkCapture())`,
    { eval: true },
  )
  const inWorker = await new Promise<CaptureCheck>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  )
  t.strictSame(inWorker, check, 'and the same in a worker')
})

// Live tests: child processes with other privileges.

const script = `import(${JSON.stringify(entry)}).then(({ checkCapture }) => console.log(JSON.stringify(checkCapture())))`

function run(prefix: readonly string[]): CaptureCheck {
  const [command, ...rest] = [...prefix, process.execPath, '-e', script]
  const child = spawnSync(command as string, rest, { encoding: 'utf8', env: bareEnvironment() })
  if (child.error) throw child.error
  if (child.status !== 0) throw new Error(`${command} ${rest.join(' ')}: ${child.stderr}`)
  return JSON.parse(child.stdout) as CaptureCheck
}

const works = (...command: string[]) => spawnSync(command[0] as string, command.slice(1)).status === 0

const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const isRoot = process.geteuid?.() === 0 && works(...nobody, '--inh-caps=+net_raw', '--ambient-caps=+net_raw', 'true')
// Another user must be able to read this project; otherwise a user namespace is used, in which nobody owns our files.
const asOther = isRoot && works(...nobody, 'test', '-r', new URL(entry).pathname)
const asMapped = works('unshare', '-rn', 'true') && works('unshare', '-Un', '--keep-caps', 'true')

function live(
  what: string,
  way: { when: boolean; why: string; prefix: readonly string[] },
  expected: {
    ok: boolean
    ebpf?: boolean
    reason?: PermissionReason
    text: RegExp
    root?: boolean
    userNamespace?: boolean
  },
) {
  t.test(`${what}: ${way.prefix.join(' ')}`, { skip: way.when ? false : `CANNOT RUN HERE: ${way.why}` }, async (t) => {
    const check = run(way.prefix)
    t.equal(check.ok, expected.ok)
    t.equal(check.packetSocket, expected.ok)
    t.match(check.text, expected.text)
    t.strictSame(
      check.problems.map(({ code, reason }) => ({ code, reason })),
      expected.reason ? [{ code: 'ERR_PERMISSION', reason: expected.reason }] : [],
    )
    if (expected.ebpf !== undefined) t.equal(check.ebpf, expected.ebpf, 'eBPF')
    if (expected.root !== undefined) t.equal(check.uid === 0, expected.root, 'uid')
    if (expected.userNamespace !== undefined) t.equal(check.userNamespace, expected.userNamespace, 'user namespace')
  })
}

/** Runs as real root, where available; the tests in a user namespace, which need no root, always run as well. */
const real = (when: boolean, ...prefix: string[]) => ({
  when,
  why: 'needs root, and a project that others can read',
  prefix,
})
const mapped = (...prefix: string[]) => ({
  when: asMapped,
  why: 'unshare(1) is not allowed to make user namespaces',
  prefix,
})
function both(
  what: string,
  ways: { real: readonly string[]; mapped: readonly string[] },
  expected: Parameters<typeof live>[2],
  asNobody = true,
) {
  // Without root the same is tested in the user namespace alone, so that no case is left out.
  if (asNobody ? asOther : isRoot) live(what, real(true, ...ways.real), expected)
  else t.comment(`${what}: not root (or the project is closed to others): in a user namespace only`)
  live(what, mapped(...ways.mapped), { ...expected, ...(expected.ok ? { ebpf: false } : {}), userNamespace: true })
}

both(
  'root',
  { real: ['env'], mapped: ['unshare', '-rn'] },
  { ok: true, root: true, text: /^This process can capture/ },
  false,
)

both(
  'a plain user',
  { real: nobody, mapped: ['unshare', '-Un'] },
  {
    ok: false,
    reason: 'unprivileged',
    root: false,
    ebpf: false,
    text: /Problem: capturing needs CAP_NET_RAW; the process runs as uid 65534 without it\.\nRemedy: .*setpriv/,
  },
)

both(
  'ambient NET_RAW',
  {
    real: [...nobody, '--inh-caps=+net_raw', '--ambient-caps=+net_raw'],
    mapped: ['unshare', '-Un', '--keep-caps', 'setpriv', '--ambient-caps=-all,+net_raw', '--inh-caps=-all,+net_raw'],
  },
  { ok: true, root: false, ebpf: false, text: /No eBPF filter .*\n.*CAP_SYS_ADMIN/ },
)

both(
  'no NET_RAW in the bounding set',
  {
    real: ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'],
    mapped: ['unshare', '-rn', 'setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'],
  },
  { ok: false, reason: 'bounding-set', root: true, text: /--cap-add NET_RAW.*Kubernetes/ },
  false,
)

both(
  'NET_RAW in a small bounding set, not root, as in a container',
  {
    real: [...nobody, '--bounding-set=-all,+net_raw'],
    mapped: [
      'unshare',
      '-Un',
      '--keep-caps',
      'setpriv',
      '--bounding-set=-all,+net_raw',
      '--ambient-caps=-all',
      '--inh-caps=-all',
    ],
  },
  { ok: false, reason: 'container', root: false, text: /--cap-add alone does not help/ },
)

both(
  'root without its powers',
  { real: ['setpriv', '--securebits=+noroot'], mapped: ['unshare', '-rn', 'setpriv', '--securebits=+noroot'] },
  { ok: false, reason: 'dropped', root: true, text: /securebits/ },
  false,
)

both(
  'no_new_privs',
  { real: [...nobody, '--no-new-privs'], mapped: ['unshare', '-Un', 'setpriv', '--no-new-privs'] },
  { ok: false, reason: 'unprivileged', text: /do not count under no_new_privs/ },
)

both(
  'a plain user in a namespace of his own',
  { real: [...nobody, 'unshare', '-rn'], mapped: ['unshare', '-rn'] },
  { ok: true, root: true, ebpf: false, userNamespace: true, text: /a user namespace cannot grant it/ },
)

live('a user namespace in the network of another', mapped('unshare', '-r'), {
  ok: false,
  reason: 'foreign-network',
  root: true,
  userNamespace: true,
  text: /only inside its user namespace/,
})
