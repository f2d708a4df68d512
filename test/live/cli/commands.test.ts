// The commands that need an interface, or the lack of a privilege.
import { spawnSync } from 'node:child_process'
import { frame } from 'ringtap'
import { command, Running, ringtap } from '../../helpers/command.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'

const node = process.execPath

t.test('interfaces lists the namespace', async (t) => {
  const { code, stdout } = ringtap(['interfaces', '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout.split('\n')[0]!), { name: 'lo', loopback: true, up: true })
  t.match(ringtap(['interfaces']).stdout, /^index +name +kind .*\n +1 +lo +loopback +up +65536 /)
})

t.test('interfaces --watch prints changes', async (t) => {
  const watch = new Running(t, node, [command, 'interfaces', '--watch'])
  while (!/ lo \(1\)/.test(watch.stdout)) await new Promise((resolve) => setTimeout(resolve, 10))
  spawnSync('ip', ['link', 'add', 'w0', 'type', 'veth', 'peer', 'name', 'w1'])
  while (!/ added +w0 /.test(watch.stdout)) await new Promise((resolve) => setTimeout(resolve, 10))
  spawnSync('ip', ['link', 'del', 'w0'])
  while (!/ removed w0 /.test(watch.stdout)) await new Promise((resolve) => setTimeout(resolve, 10))
  watch.child.kill('SIGTERM')
  t.equal((await watch.end()).code, 0)
})

t.test('what send sends, capture prints; refusals are a failure', async (t) => {
  const bytes = frame({
    ethernet: { source: '00:00:00:00:00:00', destination: '00:00:00:00:00:00' },
    ipv4: { source: '192.0.2.1', destination: '192.0.2.2' },
    udp: { sourcePort: 7, destinationPort: 8 },
  })
  const capture = new Running(t, node, [command, '-t', '-i', 'lo', '-c', '1', 'udp'])
  await capture.said(/listening on/)
  t.match(ringtap(['send', '-i', 'lo', Buffer.from(bytes).toString('hex')]), {
    code: 0,
    stderr: '1 frame sent, 42 B, 0 refused\n',
  })
  t.equal((await capture.end()).stdout, 'lo    In  IP 192.0.2.1.7 > 192.0.2.2.8: UDP, length 0\n')
  t.match(ringtap(['send', '-i', 'lo', '0102']), {
    code: 1,
    stderr: /^0 frames sent, 0 B, 1 refused\n {2}1 refused: too-short/,
  })
  t.match(ringtap(['send', '-i', 'nope', '0102']), { code: 2, stderr: /^ringtap: .*nope/ })
})

t.test('doctor: 0 with the privilege, 3 without, and what to do', async (t) => {
  t.match(ringtap(['doctor']), { code: 0, stdout: /^This process can capture packets\.\n/ })
  const { status, stdout } = spawnSync(
    'setpriv',
    ['--bounding-set=-net_raw', '--inh-caps=-net_raw', node, command, 'doctor'],
    {
      encoding: 'utf8',
    },
  )
  t.equal(status, 3)
  t.match(stdout, /^This process cannot capture packets\.\n\nMissing: capturing needs CAP_NET_RAW/)
  for (const line of [
    'sudo ringtap',
    'setcap cap_net_raw',
    'AmbientCapabilities=',
    '--cap-add NET_RAW',
    'network_mode: host',
    'hostNetwork: true',
    'unshare -rn',
  ])
    t.ok(stdout.includes(line), line)
  t.match(
    stdout,
    /^ {2}table +(eBPF map, counts per interface; allowed by CAP_BPF|classic BPF, counts in total; a user)/m,
  )
  const capture = spawnSync('setpriv', ['--bounding-set=-net_raw', '--inh-caps=-net_raw', node, command, '-c', '1'], {
    encoding: 'utf8',
  })
  t.equal(capture.status, 3)
  t.match(capture.stderr, /^ringtap: .*CAP_NET_RAW.*\nringtap: "ringtap doctor" shows/)
})

t.test('doctor: interfaces, their losses and offloads', async (t) => {
  addVeth('eth0', 'far0')
  const ethtool = (...args: string[]) => t.equal(spawnSync('ethtool', args).status, 0, `ethtool ${args.join(' ')}`)
  const offloads = () => {
    const { interfaces } = JSON.parse(ringtap(['doctor', '--json']).stdout)
    return interfaces.find(({ name }: { name: string }) => name === 'eth0')
  }
  ethtool('-K', 'eth0', 'gro', 'on', 'tso', 'on')
  t.match(offloads(), { packets: 0, losses: {} })
  t.ok(['generic-receive-offload', 'tcp-segmentation-offload'].every((one) => offloads().offloads.includes(one)))
  t.match(
    ringtap(['doctor']).stdout,
    /\nPackets of up to 64 KiB, larger than the MTU, come from offloads of .*eth0.*ethtool -K /,
  )
  for (const name of ['eth0', 'far0']) ethtool('-K', name, 'gro', 'off', 'tso', 'off', 'gso', 'off')
  t.notOk(offloads().offloads.includes('generic-receive-offload'))
  t.notMatch(ringtap(['doctor']).stdout, /64 KiB, larger/)
})
