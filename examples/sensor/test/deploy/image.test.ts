// What is in the image, run as a container runtime runs it: a root directory that is read-only, user 65532, and CAP_NET_RAW
// as the one capability that can be gained. Made by deploy/rootfs, as the Dockerfile makes it.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { inject } from 'ringtap'
import t from '../support/live.js'
import { ip } from '../support/network.js'
import { deploy } from '../support/places.js'

const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-image-'))
t.teardown(() => {
  spawnSync('umount', ['-R', folder])
  rmSync(folder, { recursive: true })
})

const environment = {
  PATH: process.env['PATH'],
  VSENSOR_HOSTNAME: '127.0.0.1',
  VSENSOR_HMAC_KEY: 'a-key-that-is-long-enough',
  IFACE: 'eth0',
  SENSOR_BATCH_MILLISECONDS: '50',
  SENSOR_SPOOL_PATH: '/var/lib/ringtap',
  SENSOR_SPOOL_MIN_FREE: '0',
  SENSOR_HEALTH_SOCKET: '/run/ringtap/health.sock',
}

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env: environment })
  if (error) throw error
  return { status, stdout, stderr }
}

/** The command that runs Node in the image. `chroot` itself needs the capabilities that are named with the container's own. */
function container(
  capabilities: readonly string[],
  words: readonly string[],
  options: readonly string[] = [],
): [string, ...string[]] {
  const bounding = ['-all', ...[...capabilities, 'sys_chroot', 'setuid', 'setgid'].map((name) => `+${name}`)].join(',')
  const user = ['chroot', '--userspec=65532:65532', '--groups=', folder]
  return ['setpriv', ...options, '--bounding-set', bounding, '--inh-caps', '-all', ...user, '/bin/node', ...words]
}

// A user other than root has no other user than itself in its user namespace.
const alone =
  /^\s*0\s+\d+\s+1$/m.test(readFileSync('/proc/self/uid_map', 'utf8')) &&
  'the image needs a second user: run this as root'

t.test('the tree', { skip: alone }, async (t) => {
  t.match(run(path.join(deploy, 'rootfs'), 'sensor', folder), { status: 0, stderr: '' })
  t.strictSame(readdirSync(path.join(folder, 'bin')), ['node'], 'no shell')
  const programs = run('find', folder, '-perm', '/6000').stdout
  t.equal(programs, '', 'nothing setuid or setgid')
  t.match(run('getcap', '-r', folder).stdout, /^\S+\/bin\/node cap_net_raw=ep\n$/)
  t.equal(statSync(path.join(folder, 'var/lib/ringtap')).uid, 65532)
  const megabytes = Number(run('du', '-sm', folder).stdout.split('\t')[0])
  t.ok(megabytes < 180, `${megabytes} MB`)
})

const capture = `
  const { Capture } = require('/app/dist/cjs/index.js')
  Capture.open({ interfaces: 'eth0' }).then(async (capture) => {
    const status = require('fs').readFileSync('/proc/self/status', 'utf8')
    console.log(process.getuid(), capture.interfaces.map(({ name }) => name).join(), /CapEff:\\s+(\\w+)/.exec(status)[1])
    await capture.close()
  }, (error) => { console.log(error.code); process.exit(3) })
  try { require('fs').writeFileSync('/x', '') } catch (error) { console.log(error.code) }`

t.test('it captures with NET_RAW alone, and writes nowhere else', { skip: alone }, async (t) => {
  ip(['link add eth0 type veth peer name far0', 'link set eth0 up', 'link set far0 up'])
  t.equal(run('mount', '--bind', folder, folder).status, 0)
  t.equal(run('mount', '-t', 'proc', 'proc', path.join(folder, 'proc')).status, 0)
  t.equal(run('mount', '-o', 'remount,bind,ro', folder).status, 0)
  t.match(run(...container(['net_raw'], ['-e', capture])), {
    status: 0,
    stdout: 'EROFS\n65532 eth0 0000000000002000\n',
    stderr: '',
  })
})

t.test(
  'without NET_RAW it does not start; without privilege escalation the capability is not gained',
  { skip: alone },
  async (t) => {
    t.match(run(...container([], ['-e', capture])), { status: 126, stderr: /Operation not permitted/ })
    t.match(run(...container(['net_raw'], ['-e', capture], ['--no-new-privs'])), {
      status: 3,
      stdout: /^EROFS\nERR_PERMISSION\n$/,
    })
  },
)

t.test('the sensor in it: ready by its probe, and stops orderly', { skip: alone }, async (t) => {
  for (const name of ['run/ringtap', 'var/lib/ringtap']) {
    const options = 'uid=65532,gid=65532,mode=0700,size=16m'
    t.equal(run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path.join(folder, name)).status, 0)
  }
  const program = (name: string) => `/app/examples/sensor/dist/src/sensor/${name}.js`
  const [command, ...args] = container(['net_raw'], [program('main')])
  const sensor = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => sensor.kill('SIGKILL'))
  const output = text(sensor.stdout)
  const ended = once(sensor, 'close')
  t.match(run(...container(['net_raw'], [program('probe'), 'readyz', '--wait', '60'])), { status: 0, stderr: '' })
  await inject(
    'far0',
    Array.from({ length: 10 }, () => Buffer.from('02000000000102000000000288b5'.padEnd(120, '0'), 'hex')),
  )
  const metrics = run(...container(['net_raw'], [program('probe'), 'metrics']))
  t.equal(metrics.status, 0)
  sensor.kill('SIGTERM')
  t.strictSame(await ended, [0, null])
  // There is no collector.
  const final = (await output).split('\n').find((line) => line.includes('"final":true'))
  t.match(JSON.parse(final ?? '{}'), { captured: 10, stored: 0, spooled: 10 })
  t.equal(run(...container(['net_raw'], [program('probe'), 'readyz'])).status, 1)
})

t.test('the collector in its own image, without any capability', { skip: alone }, async (t) => {
  const other = mkdtempSync(path.join(tmpdir(), 'ringtap-image-'))
  t.teardown(() => {
    spawnSync('umount', ['-R', other])
    rmSync(other, { recursive: true })
  })
  t.match(run(path.join(deploy, 'rootfs'), 'collector', other), { status: 0, stderr: '' })
  t.equal(run('getcap', '-r', other).stdout, '')
  writeFileSync(path.join(other, 'etc/keys'), '* a-key-that-is-long-enough\n')
  t.equal(run('mount', '--bind', other, other).status, 0)
  t.equal(run('mount', '-t', 'proc', 'proc', path.join(other, 'proc')).status, 0)
  t.equal(run('mount', '-o', 'remount,bind,ro', other).status, 0)
  const store = path.join(other, 'var/lib/ringtap')
  t.equal(run('mount', '-t', 'tmpfs', '-o', 'uid=65532,gid=65532,mode=0700,size=16m', 'tmpfs', store).status, 0)
  const bounding = ['--bounding-set', '-all,+sys_chroot,+setuid,+setgid', '--inh-caps', '-all', '--no-new-privs']
  const main = '/app/examples/sensor/dist/src/collector/main.js'
  const words = [...bounding, 'chroot', '--userspec=65532:65532', '--groups=', other, '/bin/node', main]
  const collector = spawn('setpriv', words, {
    env: {
      PATH: process.env['PATH'],
      COLLECTOR_LISTEN: '127.0.0.1',
      COLLECTOR_PORT: '8080',
      COLLECTOR_PLAIN_HTTP: 'true',
      COLLECTOR_STORE: '/var/lib/ringtap',
      COLLECTOR_MIN_FREE: '0',
      COLLECTOR_KEYS: '/etc/keys',
      COLLECTOR_TOKEN: 'a-token-that-is-long-enough',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => collector.kill('SIGKILL'))
  const ended = once(collector, 'close')
  for await (const line of createInterface({ input: collector.stdout })) if (/listens on/.test(line)) break
  const headers = { authorization: 'Bearer a-token-that-is-long-enough' }
  for (const name of ['healthz', '', 'style.css', 'icon.svg', 'app.js', 'uplot.js']) {
    t.equal((await fetch(`http://127.0.0.1:8080/${name}`, { headers })).status, 200, `/${name}`)
  }
  collector.kill('SIGTERM')
  t.strictSame(await ended, [0, null])
})
