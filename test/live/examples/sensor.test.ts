// examples/sensor.ts: every setting has its documented effect.

import { chunksIn, Example, ledgerLine, packetsIn, type Test } from '../support/example.js'
import t from '../support/live.js'
import { addVeth, del, rename } from '../support/network.js'
import { send } from '../support/send.js'

const count = 5
const numbers = Array.from({ length: count }, (_, i) => i)
const packets = (...ends: string[]) => ends.flatMap((end) => numbers.map((n) => `${end} ${n}`)).sort()

async function sensor(t: Test, settings: Record<string, string>): Promise<Example> {
  const program = new Example(t, 'sensor', [], { OSSENSOR_DEBUG: '5', ...settings })
  await program.said(/capturing on .*debug level/)
  return program
}

/** Stops the sensor when it has seen as many packets as expected, and returns its output. */
async function after(program: Example, expected: number, signal: NodeJS.Signals = 'SIGTERM') {
  await program.said((stdout) => packetsIn(stdout).length >= expected)
  return program.stop(signal)
}

t.before(() => {
  addVeth('eth0', 'peth0')
  addVeth('eth7', 'peth7')
  addVeth('wan0', 'pwan0')
})

const cases: { name: string; settings: Record<string, string>; seen: string[] }[] = [
  {
    name: 'nothing set: every interface but loopback',
    settings: {},
    seen: packets('eth0 out', 'peth0 in', 'eth7 out', 'peth7 in', 'wan0 out', 'pwan0 in'),
  },
  {
    name: 'include',
    settings: { NETWORK_DEVICE_INCLUDELIST: '^eth' },
    seen: packets('eth0 out', 'eth7 out'),
  },
  {
    name: 'a pattern is searched for, as egrep does',
    settings: { NETWORK_DEVICE_INCLUDELIST: 'eth[[:digit:]]' },
    seen: packets('eth0 out', 'eth7 out', 'peth0 in', 'peth7 in'),
  },
  {
    name: 'several patterns, any white space; exclude wins',
    settings: { NETWORK_DEVICE_INCLUDELIST: ' ^eth\t^wan\n', NETWORK_DEVICE_EXCLUDELIST: 'x y eth7  ' },
    seen: packets('eth0 out', 'wan0 out'),
  },
  {
    name: 'exclude alone',
    settings: { NETWORK_DEVICE_EXCLUDELIST: '^p' },
    seen: packets('eth0 out', 'eth7 out', 'wan0 out'),
  },
  {
    name: 'any: what is not excluded, loopback too; the include list does not count',
    settings: { NETWORK_DEVICE_ANY: '1', NETWORK_DEVICE_INCLUDELIST: '^wan', NETWORK_DEVICE_EXCLUDELIST: '^p' },
    seen: packets('eth0 out', 'eth7 out', 'wan0 out', 'lo in'),
  },
  {
    name: 'any off',
    settings: { NETWORK_DEVICE_ANY: '0', NETWORK_DEVICE_INCLUDELIST: '^wan' },
    seen: packets('wan0 out'),
  },
  {
    name: 'loopback where a pattern includes it',
    settings: { NETWORK_DEVICE_INCLUDELIST: '^lo$' },
    seen: packets('lo in'),
  },
  {
    name: 'filter',
    settings: { NETWORK_DEVICE_INCLUDELIST: '^eth0$', BPF: 'udp dst port 10 and len = 77' },
    seen: numbers.map((n) => `eth0 out ${100 + n}`).sort(),
  },
]
for (const { name, settings, seen } of cases) {
  t.test(name, async (t) => {
    const program = await sensor(t, settings)
    await send({ interface: 'eth0', count })
    await send({ interface: 'eth0', count, start: 100, port: 10, size: 77 })
    await send({ interface: 'eth7', count })
    await send({ interface: 'wan0', count })
    await send({ interface: 'lo', count })
    // Without a filter, the packets to the other port are captured as well, if eth0 is captured.
    const more =
      'BPF' in settings ? [] : seen.filter((one) => /^p?eth0 /.test(one)).map((one) => one.replace(/(\d)$/, '10$1'))
    const expected = [...seen, ...more].sort()
    const { code, stdout, stderr } = await after(program, expected.length)
    t.strictSame(packetsIn(stdout), expected)
    t.equal(stderr, '')
    t.equal(code, 0)
    t.equal(ledgerLine(stdout, 'total')?.delivered, expected.length)
    t.match(stdout, new RegExp(`^  ${expected.length} received = ${expected.length} delivered`, 'm'))
  })
}

t.test('later interfaces are selected by the same lists', async (t) => {
  const program = await sensor(t, { NETWORK_DEVICE_INCLUDELIST: '^new', NETWORK_DEVICE_EXCLUDELIST: '7' })
  t.match(program.stdout, /capturing on nothing until an interface matches/)
  for (const name of ['new0', 'new7', 'other0']) {
    addVeth(name, `p${name}`)
    await send({ interface: name, count })
  }
  rename('other0', 'new1')
  await program.said(/new1 renamed, it was other0, captured/)
  await send({ interface: 'new1', count })
  await program.said((stdout) => packetsIn(stdout).length >= 2 * count)
  del('new0')
  await program.said(/new0 removed/)
  const { code, stdout } = await after(program, 2 * count, 'SIGINT')
  t.strictSame(packetsIn(stdout), packets('new0 out', 'new1 out'))
  t.match(stdout, /new0 added, captured: new0 is selected: "\^new" in the include list matches it/)
  t.match(stdout, /new7 added, not captured: new7 is not selected: "7" in the exclude list matches it/)
  t.match(ledgerLine(stdout, 'new0'), { delivered: count }, 'it is gone, its ledger is not')
  t.equal(code, 0)
  del(['new7', 'new1'])
})

t.test('each debug level adds to the lower ones', async (t) => {
  for (const level of ['', '0', '1', '2', '3', '4', '5']) {
    const program = await sensor(t, {
      NETWORK_DEVICE_INCLUDELIST: '^eth0$',
      OSSENSOR_DEBUG: level,
      OSSENSOR_STATISTICS: '1',
    })
    await send({ interface: 'eth0', count, size: 100 })
    if (level !== '0')
      await program.said(/statistics: 5 packets received, 5 delivered \(500 bytes\), 0 lost, 0 queued, 1 interface\n/)
    const { stdout } = await program.stop()
    const shown = level === '' ? 1 : Number(level)
    t.match(stdout, /eth0 is selected: .*\n(.*\n)*.*eth7 is not selected: /, 'interfaces')
    t.equal(/statistics/.test(stdout), shown >= 1, `statistics at level "${level}"`)
    const losses = /^.*statistics: loss none, 0\.0 % in \d+ s: 0 of 5 packets; ahead of the capture: /m
    t.equal(losses.test(stdout), shown >= 1, 'with what was lost')
    t.strictSame(
      chunksIn(stdout.replace(/^.*statistics.*$/gm, '')),
      shown >= 4 ? { packets: 5, bytes: 500 } : { packets: 0, bytes: 0 },
    )
    t.strictSame(packetsIn(stdout), shown >= 5 ? packets('eth0 out') : [])
    t.match(ledgerLine(stdout, 'eth0'), { delivered: 5, bytes: 500 })
  }
})

t.test('a wrong setting gives one message and no stack trace', async (t) => {
  const mistakes: [Record<string, string>, RegExp][] = [
    [
      { NETWORK_DEVICE_INCLUDELIST: '^eth (' },
      /NETWORK_DEVICE_INCLUDELIST\[1\]: "\(" is not a valid extended regular expression/,
    ],
    [{ NETWORK_DEVICE_EXCLUDELIST: '[[:foo:]]' }, /NETWORK_DEVICE_EXCLUDELIST\[0\]: "\[\[:foo:\]\]" is not/],
    [{ BPF: 'prot 80' }, /BPF: .*prot 80/],
    [{ OSSENSOR_DEBUG: '6' }, /OSSENSOR_DEBUG must be a whole number from 0 to 5; it is "6"/],
    [{ OSSENSOR_DEBUG: 'all' }, /OSSENSOR_DEBUG must be .*"all"/],
    [{ NETWORK_DEVICE_ANY: 'yes' }, /NETWORK_DEVICE_ANY must be a whole number from 0 to 1; it is "yes"/],
  ]
  for (const [settings, message] of mistakes) {
    const { code, stdout, stderr } = await new Example(t, 'sensor', [], settings).ended()
    t.equal(code, 2, Object.entries(settings).join())
    t.match(stderr, message)
    t.match(stderr, /^error: .*\n$/, 'one line')
    t.equal(stdout, '')
  }
  const drop = ['setpriv', '--inh-caps', '-net_raw', '--bounding-set', '-net_raw']
  const { code, stderr } = await new Example(t, 'sensor', [], {}, drop).ended()
  t.equal(code, 1)
  t.match(stderr, /^error: .*CAP_NET_RAW.*\n$/)
})
