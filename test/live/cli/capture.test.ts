// `ringtap` on live traffic: beside tcpdump, into a pipe, and to the end by Ctrl-C.
import { createSocket } from 'node:dgram'
import { command, Running } from '../../helpers/command.js'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'

const node = process.execPath
const folder = new TestFolder(t)
const socket = createSocket('udp4')
t.teardown(() => socket.close())

async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await new Promise<void>((resolve, reject) =>
      socket.send(Buffer.alloc(i % 1000), 9, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
    )
}

t.test('-c 1000 prints the packets that tcpdump -c 1000 prints, and the same fields', async (t) => {
  const tcpdump = new Running(t, 'tcpdump', ['-n', '-i', 'lo', '-c', '1000', 'udp'])
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-c', '1000', 'udp'])
  await Promise.all([tcpdump.said(/listening on/), ringtap.said(/listening on/)])
  await send(1000)
  const [theirs, ours] = await Promise.all([tcpdump.end(), ringtap.end()])
  t.equal(ours.code, 0)
  const lines = ours.stdout.trimEnd().split('\n')
  t.equal(lines.length, 1000)
  t.ok(lines.every((line) => / lo {4}In {2}IP /.test(line)))
  t.ok(lines.every((line) => /^\d\d:\d\d:\d\d\.\d{6} /.test(line)))
  // The kernel reads the clock for each socket anew; over a file, where there is one time, the times are compared too.
  const timeless = (text: string) => text.replace(/^\S+ /gm, '')
  t.equal(timeless(ours.stdout).replaceAll('lo    In  ', ''), timeless(theirs.stdout))
  t.match(ours.stderr, /\n1,000 packets received, 1,000 delivered, none lost\n$/)
})

t.test('-w - is a stream that others read; SIGINT ends it whole', async (t) => {
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-w', '-', 'udp'])
  await ringtap.said(/listening on/)
  await send(50)
  while (ringtap.stdout.length < 50 * 32) await new Promise((resolve) => setTimeout(resolve, 10))
  ringtap.child.kill('SIGINT')
  const { code, stdout, stderr } = await ringtap.end()
  t.equal(code, 0)
  t.match(stderr, /\n50 packets written\n50 packets received, 50 delivered, none lost\n$/)
  const file = folder.write(Buffer.from(stdout, 'latin1'))
  t.equal((await readAll(file)).packets.length, 50)
})

t.test('-w FILE records in native code, Ctrl-C completes the file', async (t) => {
  const file = folder.fresh()
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-w', file, 'udp'])
  await ringtap.said(/listening on/)
  await send(200)
  ringtap.child.kill('SIGINT')
  const { code, stdout, stderr } = await ringtap.end()
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, /\n200 packets, \S+ kB written to /)
  t.equal((await readAll(file)).packets.length, 200)
})

t.test('-c N with -w writes N packets', async (t) => {
  const file = folder.fresh()
  const ringtap = new Running(t, node, [command, '-i', 'lo', '-c', '7', '-w', file, 'udp'])
  await ringtap.said(/listening on/)
  await send(20)
  t.equal((await ringtap.end()).code, 0)
  t.equal((await readAll(file)).packets.length, 7)
})
