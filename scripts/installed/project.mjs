// Projects in temporary folders that install the released tarball, for the checks of what users get.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { addResult } from '../results.mjs'
import { root } from '../tree-files.mjs'

export { installTools } from '../release/tools.mjs'

export const releasedVersion = () => JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version

/** The tarball that `npm run release` left. */
export function releasedTarball() {
  const tarball = path.join(root, 'release', `ringtap-${releasedVersion()}.tgz`)
  if (!existsSync(tarball)) throw new Error(`there is no ${path.relative(root, tarball)}: npm run release`)
  return tarball
}

/** Runs a command and returns its output and errors, together; throws if it fails. */
export function command(name, args, options = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(name, args, {
    encoding: 'utf8',
    timeout: 300_000,
    maxBuffer: 1 << 28,
    ...options,
  })
  if (error) throw error
  const output = `${stdout}${stderr}`
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${status ?? signal}:\n${output}`)
  return output
}

/** A folder of commands with Node.js and what shell scripts need, and neither compilers, make nor Python. */
function barePath() {
  const folder = path.join(root, 'build', 'package', 'bare-path')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of 'sh env uname sed basename dirname readlink mkdir rm cat ln chmod cp mv tar gzip'.split(' ')) {
    const found = ['/bin', '/usr/bin'].map((one) => path.join(one, name)).find((file) => existsSync(file))
    if (found) symlinkSync(found, path.join(folder, name))
  }
  symlinkSync(process.execPath, path.join(folder, 'node'))
  return folder
}

/** The environment of a user without development tools, with caches of its own below `home`. */
export function bareEnvironment(home) {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(NODE_EXTRA_CA_CERTS|SSL_CERT_\w+|https?_proxy|no_proxy)$/i.test(name),
  )
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim()
  return {
    ...Object.fromEntries(kept),
    PATH: barePath(),
    HOME: home,
    CI: '1',
    npm_config_registry: registry,
    YARN_REGISTRY: registry,
    YARN_NPM_REGISTRY_SERVER: registry,
    BUN_CONFIG_REGISTRY: registry,
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_GLOBAL_CACHE: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: '0',
    ...(process.env.NODE_EXTRA_CA_CERTS && { YARN_HTTPS_CA_FILE_PATH: process.env.NODE_EXTRA_CA_CERTS }),
  }
}

/** Captures five datagrams on the loopback device of a network namespace of its own, and prints how many it saw. */
const body = `
async function main() {
  const capture = await Capture.open({ interfaces: { include: '^lo$', loopback: true }, filter: 'udp port 9' })
  const socket = dgram.createSocket('udp4')
  for (let i = 0; i < 5; i++) await new Promise((done) => socket.send('x', 9, '127.0.0.1', done))
  socket.close()
  let packets = 0
  setTimeout(() => { console.log('timeout after ' + packets); process.exit(1) }, 20000).unref()
  for await (const chunk of capture) {
    packets += chunk.packetCount
    if (packets >= 5) await capture.stop()
  }
  await capture.close()
  console.log('captured ' + packets)
}
main().catch((error) => { console.log(error.code, error.message); process.exitCode = 1 })
`
export const programs = {
  esm: `import { Capture } from 'ringtap'\nimport dgram from 'node:dgram'\n${body}`,
  cjs: `const { Capture } = require('ringtap')\nconst dgram = require('node:dgram')\n${body}`,
}

/** The devices that live/checks.mjs sends and receives on. */
export const network = `ip link set lo up && ip link add left type veth peer name right
for name in left right; do
  [ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6
  ip link set $name up || exit 1
done
exec "$0" "$@"`

/** Runs a command in a network namespace of its own, with the loopback device up. */
export function inNamespace(name, args, options) {
  const script = 'ip link set lo up && exec "$0" "$@"'
  return command('unshare', ['-rn', 'sh', '-c', script, name, ...args], options)
}

/** Throws unless the program saw what was sent. */
export function expectCaptured(output) {
  if (!/^captured 5$/m.test(output)) throw new Error(`captured something else:\n${output}`)
}

/** Throws if an installation tried to compile, or warned that something was not run. */
export function expectQuiet(output) {
  const found = output
    .split('\n')
    .find((line) => /gyp|ignored build scripts|must be built|EBADENGINE|install script/i.test(line))
  if (found) throw new Error(`the installation says: ${found.trim()}`)
}

/** Runs checks one after another, each in a new folder; prints and counts their results. */
export async function runChecks(stage, checks, chosen = process.argv.slice(2)) {
  const began = performance.now()
  const counts = { passed: 0, failed: 0 }
  for (const [name, check] of Object.entries(checks)) {
    if (chosen.length > 0 && !chosen.some((one) => name.includes(one))) continue
    const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-installed-'))
    try {
      const said = await check(folder)
      counts.passed++
      console.log(`ok      ${name}${said ? `: ${said}` : ''}`)
    } catch (error) {
      counts.failed++
      console.log(`FAILED  ${name}: ${error.message}`)
    } finally {
      if (!process.env.RINGTAP_KEEP) rmSync(folder, { recursive: true, force: true })
    }
  }
  addResult({ name: stage, ...counts, seconds: (performance.now() - began) / 1000 })
  console.log(`${stage}: ${counts.passed} passed, ${counts.failed} failed`)
  if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1
}

/** Writes files into a folder. */
export function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), typeof text === 'string' ? text : JSON.stringify(text, undefined, 2))
  }
}

export const filesBelow = (folder) => readdirSync(folder, { recursive: true })
