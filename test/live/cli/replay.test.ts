// `ringtap replay`: what arrives at the other end of the wire.
import { frame, Packet, SavefileWriter } from 'ringtap'
import { command, onTerminal, Running, ringtap } from '../../helpers/command.js'
import { readAll, texts } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const file = folder.fresh()
const frames = [1, 2, 3, 4].map((i) =>
  frame({
    ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
    ipv4: { source: '192.0.2.1', destination: '192.0.2.2' },
    udp: { sourcePort: 5000 + i, destinationPort: 53 },
    payload: 'x'.repeat(50 * i),
  }),
)
const writer = await SavefileWriter.open(file)
await writer.write(
  frames.map((bytes, i) => Packet.from(bytes, { timestamp: 1_700_000_000_000_000_000n + BigInt(i) * 2_000_000_000n })),
)
await writer.close()

/** The frames that far0 receives from a replay of the file. */
async function received(count: number, ...args: string[]) {
  const copy = folder.fresh()
  const capture = new Running(t, process.execPath, [command, '-i', 'far0', '-w', copy, '-c', String(count)])
  await capture.said(/listening on far0/)
  const begun = BigInt(Date.now()) * 1_000_000n
  const outcome = ringtap(['replay', '-i', 'eth0', file, ...args])
  await capture.end()
  const { packets } = await readAll(copy)
  return { outcome, frames: texts(packets), packets, begun }
}

const hex = (...which: number[]) => which.map((i) => Buffer.from(frames[i]!).toString('hex'))

t.test('--fastest and --loop', async (t) => {
  const { outcome, frames } = await received(8, '--fastest', '--loop', '2')
  t.match(outcome, {
    code: 0,
    stdout: '',
    stderr: /^8 frames sent, 1\.3 kB, 0 refused\n\d+\.\d{3} s, \S+( [kM])? ?packets\/s\n$/,
  })
  t.same(frames, [...hex(0, 1, 2, 3), ...hex(0, 1, 2, 3)])
})

t.test('-f and --speed: the distances of the packets', async (t) => {
  const wanted = ['--speed', '8', '-f', 'src port 5001 or src port 5003']
  const { outcome, frames, packets, begun } = await received(2, ...wanted)
  t.equal(outcome.code, 0)
  t.same(frames, hex(0, 2))
  // 4 s in the file. The first packet may be late, the second one never early: the schedule has begun after `begun`. A
  // millisecond, because the clock of timestamps may be slewed relative to that of the timers.
  t.ok(packets[1]!.timestamp - begun >= 499_000_000n)
  t.ok(Number(/\n(\d+\.\d{3}) s, /.exec(outcome.stderr)?.[1]) >= 0.5, outcome.stderr)
})

t.test('progress: a bar, rate and time left, by the times of the file', async (t) => {
  // 6 s in the file, twice, at four times its speed.
  const shown = onTerminal(`"$@" replay -i eth0 --speed 4 --loop 2 ${file}`).split('\r\x1b[K')
  const [bar, result] = shown.slice(-2)
  t.ok(shown.some((line) => /^\[#*\.+\] +\d+ % {2}\d sent, \d+\/s, [123] s left$/.test(line)))
  t.match(bar, /^\[#{20}\] 100 % {2}8 sent, \d+\/s, 0 s left$/)
  t.match(result, /^8 frames sent, /, 'and is removed at the end')
})

t.test('what is refused', async (t) => {
  t.match(ringtap(['replay', '-i', 'eth0', '--fastest', '--speed', '2', file]), {
    code: 2,
    stderr: /^ringtap: --fastest and --speed exclude each other\n$/,
  })
  t.match(ringtap(['replay', '-i', 'none0', file]), { code: 2, stderr: /^ringtap: .*none0/ })
  t.match(ringtap(['replay', '-i', 'eth0', folder.file('none')]), { code: 1, stderr: /none cannot be opened: / })
  t.match(ringtap(['replay', '-i', 'eth0', '--speed', '-1', file]), { code: 2, stderr: /a number above 0/ })
})

t.test('Ctrl-C ends it', async (t) => {
  const capture = new Running(t, process.execPath, [command, '-i', 'far0', '-c', '1'])
  await capture.said(/listening on far0/)
  const replay = new Running(t, process.execPath, [command, 'replay', '-i', 'eth0', '--speed', '0.001', file])
  await capture.end() // The first packet has been sent; the second one is due in half an hour.
  replay.child.kill('SIGINT')
  const { code, stderr } = await replay.end()
  t.equal(code, 1)
  t.match(stderr, /^ringtap: interrupted\n$/)
})
