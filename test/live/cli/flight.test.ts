// `ringtap flight` and `ringtap extract`: what dumps and extracts have, to the packet.
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { command, Running, ringtap } from '../../helpers/command.js'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { numbersIn, timesIn } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

async function flight(into: string, ...args: string[]): Promise<{ running: Running; dumps: () => string[] }> {
  const file = path.join(into, 'alarm.pcapng')
  const running = new Running(t, process.execPath, [command, 'flight', '-i', 'eth0', '-w', file, ...args])
  await running.said(/writes a dump\n/)
  const dumps = () =>
    readdirSync(into)
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => path.join(into, name))
  return { running, dumps }
}

for (const how of [[], ['--compress', 'zstd']]) {
  t.test(`SIGUSR1 writes what is held, each time into a file of its own ${how.join(' ')}`, async (t) => {
    const { running, dumps } = await flight(t.testdir(), '--memory', '8', ...how)
    sendSync({ interface: 'eth0', count: 100 })
    running.child.kill('SIGUSR1')
    await running.said(/: 100 packets, /)
    sendSync({ interface: 'eth0', count: 50, start: 100 })
    running.child.kill('SIGUSR1')
    await running.said(/: 150 packets, /)
    running.child.kill('SIGINT')
    const { code, stderr } = await running.end()
    t.equal(code, 0, stderr)
    t.same(
      dumps().map((file) => numbersIn(file)),
      [range(0, 100), range(0, 150)],
    )
    for (const file of dumps()) t.match(path.basename(file), /^alarm-\d{8}T\d{6}\.\d{3}Z\.pcapng$/)
    t.match(stderr, /\n150 packets received, 150 delivered, none lost\n/)
  })
}

t.test('a packet that passes the trigger causes a dump, with what is before it and after', async (t) => {
  const { running, dumps } = await flight(
    t.testdir(),
    '--trigger',
    'greater 500',
    '--after',
    '0.5',
    '-c',
    '1',
    'less 400',
  )
  sendSync({ interface: 'eth0', count: 100, size: 100 })
  sendSync({ interface: 'eth0', count: 1, start: 5000, size: 600 })
  sendSync({ interface: 'eth0', count: 100, start: 100, size: 100 })
  const { code, stderr } = await running.end()
  t.equal(code, 0, stderr)
  t.equal(dumps().length, 1, 'and it ends after one')
  // Those after the trigger may come after its half second on a busy machine.
  const numbers = numbersIn(dumps()[0] as string)
  t.same(numbers, range(0, numbers.length), 'the trigger itself does not pass the filter')
  t.ok(numbers.length >= 100)
})

t.test('a dump that cannot be written is reported, and the recorder goes on', async (t) => {
  const into = path.join(t.testdir(), 'dumps')
  mkdirSync(into)
  const { running, dumps } = await flight(into, '-c', '1')
  sendSync({ interface: 'eth0', count: 100 })
  rmdirSync(into)
  running.child.kill('SIGUSR1')
  await running.said(/^ringtap: .*alarm-.*: the file .* could not be made: /m)
  mkdirSync(into)
  running.child.kill('SIGUSR1')
  const { code, stderr } = await running.end()
  t.match(stderr, /: 100 packets, /)
  t.same(
    dumps().map((file) => numbersIn(file)),
    [range(0, 100)],
  )
  t.equal(code, 1, stderr)
})

t.test('what cannot be done is said', async (t) => {
  const cases: [string[], RegExp][] = [
    [['flight', '-i', 'eth0'], /required option '-w/],
    [['flight', '-i', 'eth0', '-w', '-'], /each dump is a file of its own/],
    [['flight', '-i', 'eth0', '-w', 'x.pcap'], /pcapng file that is not compressed/],
    [['flight', '-i', 'eth0', '-w', 'x', '--trigger', 'no such word'], /no such word|syntax/],
    [['extract', folder.file(''), '-w', '-'], /writes a file/],
    [['extract', folder.file(''), '-w', 'x', '--from', 'yesterday'], /--from yesterday: give a date/],
    [['extract', folder.file(''), '-w', 'x', '--from', '1m', '--to', '2m'], /--from is later than --to/],
    [['extract', t.testdir(), '-w', 'x'], /no files of a recording/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = ringtap(args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
  }
})

t.test('extract takes a span out of the files of a recording, also of one that goes on', async (t) => {
  const into = t.testdir()
  const running = new Running(t, process.execPath, [
    ...[command, '-i', 'eth0', '-w', path.join(into, 'ring.pcapng'), '-C', '1'],
  ])
  await running.said(/listening on eth0/)
  // 697 packets are a file of 1 MB. Between the parts more time than the times of files may be wrong by.
  const parts: [number, number][] = []
  for (const start of [0, 1394, 2788]) {
    sendSync({ interface: 'eth0', count: 1394, start, size: 1402, rate: 20_000 })
    parts.push([start, start + 1394])
    await sleep(2500)
  }
  const output = () => folder.fresh()
  const all = output()
  const whole = ringtap(['extract', into, '-w', all])
  t.equal(whole.code, 0, whole.stderr)
  const numbers = numbersIn(all)
  t.same(numbers, range(0, 4182), 'with the file in progress')
  const times = timesIn(all)
  const [first = 0, last = 0] = parts[1] ?? []
  const text = (time: bigint | undefined) =>
    `${(time ?? 0n) / 1_000_000_000n}.${String((time ?? 0n) % 1_000_000_000n).padStart(9, '0')}`
  const some = output()
  const span = ['--from', text(times[first]), '--to', text(times[last - 1])]
  const part = ringtap(['extract', into, '-w', some, '-v', ...span])
  t.equal(part.code, 0, part.stderr)
  t.same(numbersIn(some), range(first, last))
  const read = part.stderr.match(/reading /g)?.length ?? 0
  t.ok(read >= 2 && read <= 4, `${read} files read of 6`)
  t.match(part.stderr, new RegExp(`1,394 packets of ${read} of \\d files written`))
  const filtered = output()
  t.equal(ringtap(['extract', into, '-w', filtered, ...span, '-f', 'less 100']).code, 0)
  const none = ringtap(['extract', into, '-w', output(), '--to', '2001-02-03'])
  t.same([none.code, /nothing is written/.test(none.stderr)], [0, true])
  running.child.kill('SIGINT')
  await waitUntil(() => running.child.exitCode !== null, 'the recording to end')
})
