// Options that a command cannot obey are refused, and the message says why.
import { Packet, SavefileWriter } from 'ringtap'
import t from 'tap'
import { ringtap } from '../helpers/command.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const file = folder.file('a.pcapng')
const writer = await SavefileWriter.open(file)
await writer.write(Packet.from(new Uint8Array(60), { timestamp: 1n, interface: 'eth0' }))
await writer.close()

const live: [flag: string, ...value: string[]][] = [
  ['-s', '40'],
  ['-Q', 'in'],
  ['-B', '4096'],
  ['--ring-cpus', '0'],
  ['--ring-mode', 'cpu'],
  ['--loopback'],
  ['--no-hotplug'],
  ['--promiscuous'],
  ['--dedupe'],
  ['--sample', '1/8'],
  ['--sample-seed', '5'],
  ['--slice', 'l4'],
  ['--cutoff', '10kB'],
  ['--netns', '/proc/self/ns/net'],
  ['--backend', 'ring'],
]

t.test('-r refuses each option for live captures', async (t) => {
  const refused = (args: string[], flag: string) =>
    t.match(
      ringtap(args),
      { code: 2, stdout: '', stderr: `ringtap: ${flag} is for live captures, and -r reads a file: ` },
      args.join(' '),
    )
  for (const [flag, ...value] of live) refused(['-r', file, flag, ...value], flag)
  refused(['-Q', 'in', '-r', file, '-w', folder.fresh()], '-Q')
  refused(['-r', file, '--snapshot-length=40'], '-s')
  for (const option of [
    ['-C', '1'],
    ['-G', '1'],
    ['-C', '1', '-W', '2'],
    ['-z', 'true'],
  ])
    refused(['-r', file, '-w', folder.fresh(), ...option], option[0]!)
  refused(['top', '-r', file, '--once', '--dedupe'], '--dedupe')
  refused(['flows', '-r', file, '--no-hotplug'], '--no-hotplug')
  t.match(ringtap(['-r', file, '-t', '-n', '-l', '-e', '-c', '1']), { code: 0, stdout: /^eth0 / }, 'others are obeyed')
  t.equal(ringtap(['top', '-r', file, '--once', '--sort', 'packets', '-n', '3', '--interval', '1']).code, 0)
})

t.test('commands that read files say why they have no such option', async (t) => {
  t.match(ringtap(['read', file, '--dedupe']), {
    code: 2,
    stdout: '',
    stderr: ': --dedupe is for live captures, and "ringtap read" reads a file: ',
  })
  t.match(ringtap(['read', file, '-s40']).stderr, /^ringtap: unknown option '-s40': -s is for live captures, /)
  t.match(ringtap(['convert', file, folder.fresh(), '--netns=/x']), {
    code: 2,
    stderr: /: --netns is for live captures/,
  })
  t.match(ringtap(['explain', '--read', 'x']), {
    code: 2,
    stderr: "ringtap: unknown option '--read': --read is an option of capture, top, flows and send\n",
  })
  t.match(ringtap(['doctor', '--watch']), {
    code: 2,
    stderr: "ringtap: unknown option '--watch': --watch is an option of interfaces\n",
  })
  t.match(ringtap(['read', file, '--nonsense']), { code: 2, stderr: "ringtap: unknown option '--nonsense'\n" })
})

t.test('options of a recording that nothing would come of', async (t) => {
  const copy = folder.fresh()
  for (const [args, message] of [
    [['-w', copy, '--json'], /^ringtap: --json prints lines, and -w writes packets instead: leave one out\n$/],
    [['--compress', 'gzip'], /^ringtap: --compress needs -w FILE: lines are not compressed\n$/],
    [
      ['-w', `${copy}.gz`, '--compress', 'zstd'],
      /^ringtap: --compress zstd contradicts -w .*\.gz, whose end means gzip\n$/,
    ],
    [['-w', copy, '--compress', 'xz'], /^ringtap: option '--compress <format>' argument 'xz' is invalid\. /],
  ] as [string[], RegExp][])
    t.match(ringtap(['-r', file, ...args]), { code: 2, stdout: '', stderr: message })
  t.match(ringtap(['convert', file, `${copy}.gz`]), {
    code: 2,
    stderr: /: convert does not compress; "ringtap -r FILE -w .*\.gz" does, of one file\n$/,
  })
})
