// TLS secrets in what is recorded: tshark decrypts it.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type SecureVersion } from 'node:tls'
import { Capture, convertFiles, openFile, SavefileWriter } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import { run } from '../../helpers/wireshark.js'
import { drainBacklog } from '../support/backlog.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)
const port = 443
const keyFile = folder.file('key')
const certFile = folder.file('certificate')
const made = spawnSync('openssl', [
  ...[
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=test',
    '-days',
    '9',
  ],
  ...['-keyout', keyFile, '-out', certFile],
])
if (made.status !== 0) throw new Error(`openssl cannot be run (these tests need it): ${made.stderr}`)
const identity = { key: readFileSync(keyFile), cert: readFileSync(certFile) }
const versions: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3']

/**
 * A request and its response over TLS on loopback.
 *
 * @param onKey gets each line of the key log before the first packet that it decrypts is sent. In TLS 1.3 that takes the
 *   key logs of both ends: the server has the client's traffic secret only when it reads the client's Finished, which the
 *   request may follow at once.
 */
async function converse(path: string, version: SecureVersion, onKey: (line: Buffer) => void): Promise<void> {
  const server = createServer({ ...identity, minVersion: version, maxVersion: version }, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'))
  })
  if (version === 'TLSv1.3') server.on('keylog', onKey)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  client.on('keylog', onKey)
  await once(client, 'secureConnect')
  client.end(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
  client.resume()
  await once(client, 'close')
  server.close()
  await once(server, 'close')
  drainBacklog()
}

/** What tshark reads in the encrypted connections of a file, in one pass. */
function decrypted(file: string): string[] {
  const fields = ['-T', 'fields', '-e', 'http.request.uri', '-e', 'http.response.code']
  const text = run('tshark', ['-n', '-r', file, '-Y', 'http', ...fields]).toString()
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.trim())
}

const options = { interfaces: 'lo', filter: `tcp port ${port}` }
const both = versions.flatMap((version) => [`/${version}`, '200'])

t.test('a recording with secrets is decrypted, one without is not', async (t) => {
  for (const compress of [false, 'gzip'] as const) {
    const file = folder.fresh()
    await using capture = await Capture.open(options)
    const recording = await capture.record({ path: file, compress })
    for (const version of versions) await converse(`/${version}`, version, (line) => recording.addSecrets(line))
    await converse('/without', 'TLSv1.3', () => undefined)
    await recording.stop()
    t.same(decrypted(compress ? `${file}.gz` : file), both, `compress: ${compress}`)
    recording.addSecrets([]) // no effect at the end, and no error
  }
})

t.test('batches with secrets are decrypted, each by itself', async (t) => {
  await using capture = await Capture.open({ ...options, filter: `${options.filter} or udp port 9` })
  // Each conversation is in a batch of its own, however long it takes: other packets complete the batch, not a time.
  const batches = capture.batches({ bytes: 65_536, milliseconds: 1e9 })
  const lines: string[] = []
  for (const version of versions) {
    await converse(`/${version}`, version, (line) => {
      lines.push(line.toString())
      batches.addSecrets(line)
    })
    sendSync({ interface: 'lo', count: 65, size: 1000 })
  }
  await capture.stop()
  const found: string[][] = []
  for await (const { bytes } of batches) {
    const file = folder.fresh()
    writeFileSync(file, bytes)
    found.push(decrypted(file))
  }
  t.same(found, [both.slice(0, 2), both.slice(2), []])
  batches.addSecrets(lines)
})

t.test('secrets that are written before the packets decrypt a copy, and what is converted from it', async (t) => {
  const recorded = folder.fresh()
  const lines: Buffer[] = []
  {
    await using capture = await Capture.open(options)
    const recording = await capture.record({ path: recorded })
    for (const version of versions) await converse(`/${version}`, version, (line) => lines.push(line))
    await recording.stop()
  }
  t.same(decrypted(recorded), [])
  const copy = folder.fresh()
  const writer = await SavefileWriter.open(copy)
  await writer.addSecrets(lines)
  for await (const chunk of await openFile(recorded)) await writer.write(chunk)
  await writer.close()
  t.same(decrypted(copy), both)
  const converted = folder.fresh()
  await convertFiles(copy, converted, { keep: ['decryptionSecrets'] })
  t.same(decrypted(converted), both)
})

const random = 'ab'.repeat(32)
const line = (i: number) => `CLIENT_RANDOM ${random} ${i.toString(16).padStart(96, '0')}`

/** The key log of each block of secrets in a file. */
async function keyLogs(path: string): Promise<string[][]> {
  const file = await openFile(path, { keep: { blocks: ['decryptionSecrets'] } })
  for await (const _ of file);
  return file.blocks.map((block) =>
    Buffer.from(block.data ?? [])
      .toString()
      .trimEnd()
      .split('\n'),
  )
}

t.test('each file of a recording begins with the secrets so far, of a small one the newest', async (t) => {
  const path = folder.fresh()
  await using capture = await Capture.open({ interfaces: 'eth0', filter: 'udp' })
  const recording = await capture.record({ path, rotate: { size: 4096, packets: 5 } })
  const files: string[] = []
  recording.on('file', (file) => files.push(file.path))
  recording.addSecrets([line(1), line(2)])
  sendSync({ interface: 'eth0', count: 10 })
  await new Promise<void>((resolve) => recording.once('file', () => resolve()))
  recording.addSecrets(Array.from({ length: 12 }, (_, i) => line(i + 3)))
  sendSync({ interface: 'eth0', count: 3, start: 10 })
  await recording.stop()
  const found = await Promise.all(files.map(keyLogs))
  t.same(found[0], [[line(1), line(2)]])
  t.same(found[1]![0], [line(1), line(2)], 'repeated')
  t.same(
    found.flat().filter((one) => one.length === 12),
    [Array.from({ length: 12 }, (_, i) => line(i + 3))],
    'once',
  )
  // 176 bytes a line: of 1024 bytes, three quarters are kept when they are exceeded.
  t.same(found.at(-1)![0], [11, 12, 13, 14].map(line))
})

t.test('pcap refuses secrets, and what is no key log is refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'eth0' })
  const recording = await capture.record({ path: folder.fresh(), format: 'pcap' })
  t.throws(() => recording.addSecrets(line(1)), {
    code: 'ERR_OPTION',
    message: /^a pcap file has no place for secrets/,
  })
  await recording.stop()
  const batches = capture.batches()
  t.throws(() => batches.addSecrets('secret'), { code: 'ERR_OPTION', message: /^keyLog line 1 is not LABEL HEX HEX/ })
  await batches.return?.()
})
