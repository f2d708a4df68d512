// `ringtap -w` into several files, and the command that runs on each of them.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { command, Running, ringtap } from '../../helpers/command.js'
import { readAll } from '../../helpers/read-savefile.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const log = folder.file('log')

/** Appends its arguments to the log, one a line. It takes longer than the recording takes for a file. */
const script = folder.file('on-file')
writeFileSync(script, `#!/bin/sh\nsleep 0.05\nprintf '%s\\n' "$@" >>${log}\n`)
chmodSync(script, 0o755)

const logged = () => readFileSync(log, 'utf8').trimEnd().split('\n')

async function record(...args: string[]): Promise<Running> {
  const running = new Running(t, process.execPath, [command, '-i', 'eth0', ...args])
  await running.said(/listening on eth0/)
  return running
}

/** Bytes in the complete gzip members of a stream. */
function inflated(stream: string): number {
  return spawnSync('gzip', ['-dc'], { input: Buffer.from(stream, 'latin1') }).stdout.length
}

async function counts(paths: readonly string[]): Promise<number[]> {
  return Promise.all(paths.map(async (one) => (await readAll(one)).packets.length))
}

t.test('-C begins another file, -W keeps the newest, -z runs on each, without a shell', async (t) => {
  const file = folder.file('-a b;$(id).pcapng')
  const words = ['one', '$HOME', '>x', '"two']
  const running = await record('-w', file, '-C', '1', '-W', '2', '-z', [script, ...words].join('  '))
  // 32 bytes around each packet of 1402 bytes in pcapng: 697 packets are a file of 1 MB.
  sendSync({ interface: 'eth0', count: 2500, size: 1402, rate: 20_000 })
  running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.end()
  t.equal(code, 0, stderr)
  t.equal(stdout, '')
  t.match(stderr, /\n2,500 packets, 3\.6 MB written to 4 files\n2,500 packets received, /)
  const files = [1, 2, 3, 4].map((i) => folder.file(`-a b;$(id)-00000${i}.pcapng`))
  t.same(rotated(file), files.slice(2), 'the newest two')
  t.same(
    logged(),
    files.flatMap((one) => [...words, one]),
    'once a file, in order, the path as the last argument',
  )
  const [third, last] = await counts(rotated(file))
  t.equal(last, 2500 - 3 * third!)
})

t.test('-W removes no file before the command of -z has run on it', async (t) => {
  const copies = t.testdir()
  const copy = folder.file('copy')
  writeFileSync(copy, `#!/bin/sh\nsleep 0.3\nexec cp "$1" '${copies}'\n`)
  chmodSync(copy, 0o755)
  const file = folder.fresh()
  const running = await record('-w', file, '-C', '1', '-W', '1', '-z', copy)
  sendSync({ interface: 'eth0', count: 2500, size: 1402, rate: 20_000 })
  running.child.kill('SIGINT')
  const { code, stderr } = await running.end()
  t.equal(code, 0, stderr)
  t.equal(rotated(file).length, 1)
  const kept = await counts(readdirSync(copies).map((name) => path.join(copies, name)))
  t.equal(kept.length, 4)
  t.equal(
    kept.reduce((sum, one) => sum + one, 0),
    2500,
  )
})

t.test('-G begins another file after a time', async (t) => {
  const file = folder.fresh()
  const running = await record('-w', file, '-G', '1', '-v')
  sendSync({ interface: 'eth0', count: 5 })
  await waitUntil(() => rotated(file).length > 0, 'the first file')
  sendSync({ interface: 'eth0', count: 7, start: 5 })
  running.child.kill('SIGINT')
  const { stderr } = await running.end()
  const numbers = await counts(rotated(file))
  t.equal(
    numbers.reduce((sum, one) => sum + one, 0),
    12,
  )
  t.ok(numbers.length >= 2, `${numbers}`)
  t.equal(numbers[0], 5)
  t.ok(stderr.includes(`\nringtap: ${rotated(file)[0]}: 5 packets\n`), '-v names the files')
})

t.test('compressed: by the end of the path, or by --compress, which appends it', async (t) => {
  const magic = { gz: '1f8b', zst: '28b52ffd' }
  for (const [name, options, path, format] of [
    ['a.pcapng.gz', [], 'a.pcapng.gz', 'pcapng'],
    ['b.pcap.zst', [], 'b.pcap.zst', 'pcap'],
    ['c.pcapng', ['--compress', 'zstd'], 'c.pcapng.zst', 'pcapng'],
    ['d.pcap.gz', ['--compress', 'gzip'], 'd.pcap.gz', 'pcap'],
    ['e.pcap.gz', ['-c', '30'], 'e.pcap.gz', 'pcap'],
    ['f', ['--compress', 'zstd', '-c', '30'], 'f.zst', 'pcapng'],
  ] as const) {
    const running = await record('-w', folder.file(name), ...options)
    sendSync({ interface: 'eth0', count: 30 })
    if (!options.some((one) => one === '-c')) running.child.kill('SIGINT')
    const { code, stderr } = await running.end()
    t.equal(code, 0, stderr)
    const file = folder.file(path)
    t.match(stderr, `written to ${file}\n`)
    const head = readFileSync(file).toString('hex')
    t.ok(head.startsWith(magic[path.endsWith('.gz') ? 'gz' : 'zst']), path)
    const read = await readAll(file)
    t.same([read.file.format, read.packets.length], [format, 30], path)
  }
  writeFileSync(log, '')
  const running = await record('-w', folder.file('g.pcapng'), '--compress', 'gzip', '-C', '1', '-z', script)
  sendSync({ interface: 'eth0', count: 1000, size: 1402, rate: 20_000 })
  running.child.kill('SIGINT')
  t.equal((await running.end()).code, 0)
  const files = ['g-000001.pcapng.gz', 'g-000002.pcapng.gz'].map((one) => folder.file(one))
  t.same(logged(), files)
  t.equal(
    (await counts(files)).reduce((sum, one) => sum + one, 0),
    1000,
  )
})

t.test('-w - --compress is a compressed stream, in which packets wait for no others', async (t) => {
  const running = await record('-w', '-', '--compress', 'gzip')
  sendSync({ interface: 'eth0', count: 5 })
  await waitUntil(() => inflated(running.stdout) > 5 * 60, 'the packets')
  sendSync({ interface: 'eth0', count: 5 })
  running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.end()
  t.equal(code, 0, stderr)
  t.match(stderr, /\n10 packets written\n/)
  t.equal((await readAll(folder.write(Buffer.from(stdout, 'latin1')))).packets.length, 10)
})

t.test('-z with -c; a path that begins with a dash is no option', async (t) => {
  writeFileSync(log, '')
  const running = new Running(t, 'sh', [
    '-c',
    `cd '${folder.path}' && exec "$@"`,
    'sh',
    ...[process.execPath, command, '-i', 'eth0', '-c', '3', '-w', '-c.pcap', '-z', './on-file'],
  ])
  await running.said(/listening on eth0/)
  sendSync({ interface: 'eth0', count: 5 })
  t.equal((await running.end()).code, 0)
  t.same(logged(), ['./-c.pcap'])
  t.same(await counts([folder.file('-c.pcap')]), [3])
})

t.test('Ctrl-C, which a terminal sends to all processes of the job, does not end the command', async (t) => {
  const file = folder.fresh()
  const begun = folder.file('begun')
  const slow = folder.file('slow')
  writeFileSync(
    slow,
    `#!/bin/sh\n: >${begun}\nwhile [ -e ${begun} ]; do sleep 0.01; done\nprintf '%s\\n' "$@" >${log}\n`,
  )
  chmodSync(slow, 0o755)
  const running = new Running(t, 'setsid', [process.execPath, command, '-i', 'eth0', '-w', file, '-G', '1', '-z', slow])
  await running.said(/listening on eth0/)
  sendSync({ interface: 'eth0', count: 1 })
  await waitUntil(() => existsSync(begun), 'the command on the first file')
  // setsid has made a group of it, whose number is its own.
  process.kill(-running.child.pid!, 'SIGINT')
  await running.said(/ending when the command of -z has run on the last file/)
  rmSync(begun)
  t.equal((await running.end()).code, 0)
  t.equal(logged()[0], rotated(file)[0])
})

t.test('a command that fails is reported, and the exit code is 1; one that is missing is found at once', async (t) => {
  const running = await record('-w', folder.fresh(), '-z', 'false')
  running.child.kill('SIGINT')
  const { code, stderr } = await running.end()
  t.equal(code, 1)
  t.match(stderr, /ringtap: warning: false \S+\.pcapng: exit code 1\n/)
  const missing: [string[], RegExp][] = [
    [['-w', folder.fresh(), '-z', 'no-such-program x'], /^ringtap: -z: there is no program "no-such-program"\n$/],
    [['-w', folder.fresh(), '-z', ' '], /^ringtap: -z needs the name of a program\n$/],
    [['-z', 'true'], /^ringtap: -z needs -w FILE: /],
    [['-w', '-', '-z', 'true'], /^ringtap: -z needs -w FILE: /],
  ]
  for (const [args, message] of missing) t.match(ringtap(args), { code: 2, stderr: message })
})

t.test('-w into a named pipe: it waits for the reader, and ends quietly with it', async (t) => {
  const pipe = folder.file('pipe.pcap')
  t.equal(spawnSync('mkfifo', [pipe]).status, 0)
  for (const options of [[], ['-c', '20']]) {
    const running = new Running(t, process.execPath, [command, '-i', 'eth0', '-w', pipe, ...options])
    await running.said(/waiting for a program that reads the pipe /)
    const reader = new Running(t, 'tcpdump', ['-n', '-t', '-l', '-r', pipe])
    await running.said(/listening on eth0/)
    sendSync({ interface: 'eth0', count: 20 })
    await waitUntil(() => reader.stdout.split('\n').length === 21, 'tcpdump to print the packets')
    if (options.length === 0) running.child.kill('SIGINT')
    const { code, stderr } = await running.end()
    t.equal(code, 0, stderr)
    t.match(stderr, /\n20 packets(, \S+ kB)? written to .*pipe\.pcap\n/)
    t.equal((await reader.end()).code, 0)
  }
  const running = new Running(t, process.execPath, [command, '-i', 'eth0', '-w', pipe])
  const reader = new Running(t, 'cat', [pipe])
  await running.said(/listening on eth0/)
  reader.child.kill('SIGKILL')
  await reader.end()
  sendSync({ interface: 'eth0', count: 20 })
  t.match(await running.end(), {
    code: 0,
    stderr: /\n0 packets, .* written to .*pipe\.pcap, 20 not written because the program that reads it has ended\n/,
  })
})
