// `ringtap serve`: what tshark reads, and what the command says about its readers.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { command, Running, ringtap } from '../../helpers/command.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { numbersIn } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil, within } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

async function serve(...args: string[]): Promise<{ running: Running; port: number }> {
  const running = new Running(t, process.execPath, [command, 'serve', '-i', 'eth0', '--port', '0', ...args])
  await running.said(/serving on .*\n/)
  return { running, port: Number(/serving on \S+:(\d+): /.exec(running.stderr)?.[1]) }
}

t.test('tshark reads from it, and each reader has its line', async (t) => {
  const { running, port } = await serve('--format', 'pcap', 'udp')
  t.match(running.stderr, `serving on 127.0.0.1:${port}: wireshark -k -i TCP@127.0.0.1:${port}\n`)
  t.match(running.stderr, /listening on eth0.*; filter: udp\n/)
  const path = folder.fresh()
  const tshark = spawn('tshark', ['-n', '-i', `TCP@127.0.0.1:${port}`, '-w', path], { stdio: 'ignore' })
  const ends = once(tshark, 'exit')
  await running.said(/127\.0\.0\.1:\d+ reads\n/)
  sendSync({ interface: 'eth0', count: 300, size: 100 })
  running.child.kill('SIGINT')
  await within(ends, 'tshark to end')
  const { code, stderr, stdout } = await running.end()
  t.same([code, stdout], [0, ''], stderr)
  t.equal(numbersIn(path).length, 300)
  t.match(stderr, /127\.0\.0\.1:\d+ has left: 300 packets, [\d.]+ kB, none lost\n/)
  t.match(stderr, /\n1 reader\n300 packets received, 300 delivered, none lost\n/)
})

t.test('a reader that stands still is told of, and further ones are refused', async (t) => {
  const { running, port } = await serve('--memory', '1', '--max-readers', '1')
  const still = connect(port, '127.0.0.1').pause()
  await running.said(/ reads\n/)
  const refused = connect(port, '127.0.0.1').resume()
  refused.on('error', () => undefined)
  await within(once(refused, 'close'), 'the refusal')
  for (let start = 0; start < 15_000; start += 250) sendSync({ interface: 'eth0', count: 250, start, size: 1400 })
  running.child.kill('SIGTERM')
  const { code, stderr } = await running.end()
  still.destroy()
  t.equal(code, 0, stderr)
  const [, got = '', missed = ''] =
    /has left: ([\d,]+) packets, .*, ([\d,]+) missed because it was too slow/.exec(stderr) ?? []
  const number = (text: string) => Number(text.replaceAll(',', ''))
  const [, received = ''] = /\n([\d,]+) packets received, /.exec(stderr) ?? []
  const [, lost = '0'] = /([\d,]+) dropped by the (?:ring|recorder)/.exec(stderr) ?? []
  t.equal(number(got) + number(missed) + number(lost), number(received), stderr)
  t.match(stderr, /\n1 reader, 1 connection refused\n/)
})

t.test('what is wrong is said', async (t) => {
  const { running, port } = await serve('--host', '0.0.0.0')
  await waitUntil(() => running.stderr.includes('there is no authentication'), 'the warning')
  const second = ringtap(['serve', '-i', 'eth0', '--host', '0.0.0.0', '--port', String(port)])
  t.equal(second.code, 1)
  t.match(second.stderr, /address already in use/)
  t.equal(ringtap(['serve', '--port', '70000', '-i', 'eth0']).code, 2)
  t.equal(ringtap(['serve', '--format', 'erf']).code, 2)
  running.child.kill('SIGINT')
  t.equal((await running.end()).code, 0)
})
