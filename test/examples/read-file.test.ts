// examples/read-file.ts, run as a user runs it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { numberedPackets, Pcapng, pcap, type RawPacket } from '../helpers/savefiles.js'
import { Example } from '../live/support/example.js'

t.test('the example prints the metadata of a file, its packets, and where it is damaged', async (t) => {
  const folder = t.testdir()
  const file = new Pcapng()
    .section([[4, 'a test']])
    .interface(1, [[2, 'eth0']])
    .interface(1, [[2, 'eth1']])
  for (const [number, packet] of numberedPackets(40, () => 60).entries()) {
    file.packet(number % 4 === 0 ? 1 : 0, packet, number === 1 ? [[1, 'look here']] : [])
  }
  const path = join(folder, 'file.gz')
  writeFileSync(path, gzipSync(file.done()))
  const { code, stdout, stderr } = await new Example(t, 'read-file', [path, 'less 60']).ended()
  t.equal(stderr, '')
  t.equal(code, 0)
  t.match(stdout, /eth0 {2}60 bytes {2}look here\n/)
  t.match(
    stdout,
    /\npcapng, a test\neth1: 10 packets, 600 bytes\neth0: 30 packets, 1800 bytes\n40 packets in \d+ bytes/,
  )

  writeFileSync(path, pcap(numberedPackets(40)).subarray(0, -1))
  const cut = await new Example(t, 'read-file', [path]).ended()
  t.equal(cut.code, 1)
  t.match(cut.stdout, /\npcap\nnameless: 39 packets/)
  t.match(cut.stderr, /^error: .*the file ends \d+ bytes into packet 40, at byte \d+\n$/)
  const none = await new Example(t, 'read-file').ended()
  t.equal(none.code, 2)
  t.match(none.stderr, /^error: which file\?/)
})

t.test('what a file contains does not control the terminal', async (t) => {
  const file = new Pcapng()
    .section([
      [1, 'evil\x1b[2J'],
      [4, 'a\x07b'],
    ])
    .interface(1, [[2, 'e\x1b]0;title\x07']])
    .packet(0, numberedPackets(1, () => 60)[0] as RawPacket, [[1, 'one\n\u202etwo']])
  const path = join(t.testdir(), 'file.pcapng')
  writeFileSync(path, file.done())
  const { code, stdout, stderr } = await new Example(t, 'read-file', [path]).ended()
  t.equal(stderr, '')
  t.equal(code, 0)
  t.notMatch(stdout, /(?!\n)[\p{Cc}\u202e]/u)
  t.match(stdout, '  e\\x1b]0;title\\x07  60 bytes  one\\x0a\\u202etwo\n')
  t.match(stdout, '\npcapng, a\\x07b, evil\\x1b[2J\n')
})
