// What -i and -x mean: the name of an interface is that interface, anything else an expression.
import { command, Running, ringtap } from '../../helpers/command.js'
import { Terminal } from '../../helpers/terminal.js'
import t from '../support/live.js'
import { addVeth, ip } from '../support/network.js'
import { sendSync } from '../support/send.js'

addVeth('eth0', 'veth0')
addVeth('br-a.5', 'brxa15')
ip('link', 'property', 'add', 'dev', 'eth0', 'altname', 'wan')

const selected = (...args: string[]) =>
  ringtap(['explain', '--json', ...args])
    .stdout.trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((one) => one.selected)
    .map(({ name }) => name)
    .sort()

t.test('a name means one interface, by its alternative name too; other patterns are searched for', async (t) => {
  t.same(selected('eth0'), ['eth0'])
  t.same(selected('wan'), ['eth0'])
  t.same(selected('br-a.5'), ['br-a.5'], 'no character of a name is special')
  t.same(selected('th0'), ['eth0', 'veth0'])
  t.same(selected('^eth0$', 'brxa'), ['brxa15', 'eth0'])
  t.same(selected('-x', 'eth0'), ['br-a.5', 'brxa15', 'veth0'])
  t.same(selected('-x', 'th0'), ['br-a.5', 'brxa15'])
})

t.test('-i eth0 captures on eth0, not on veth0', async (t) => {
  const capture = new Running(t, process.execPath, [command, '-t', '-i', 'eth0', '-Q', 'in', '-c', '2'])
  await capture.said(/listening on eth0, and those that appear\n/)
  sendSync({ interface: 'eth0', count: 3 }) // received by veth0
  sendSync({ interface: 'veth0', count: 2 })
  const { code, stdout, stderr } = await capture.end()
  t.equal(code, 0)
  t.match(stdout, /^(eth0 {2}P {3}IP .*\n){2}$/)
  t.match(stderr, /\n2 packets received, 2 delivered, none lost\n$/)
})

t.test('on a narrow terminal the addresses are on lines of their own', async (t) => {
  const terminal = new Terminal(t, [72, 20])
  terminal.type('clear; $R interfaces')
  const text = await terminal.shows(/ eth0 .*\n(.*\n)*\$\n*$/)
  t.match(text, /^index {2}name .* far end\n {7}addresses\n +1 {2}lo {2,}loopback .* -\n {7}127\.0\.0\.1\/8\n/)
  t.match(text, / eth0 +veth .* veth0\n/)
})
