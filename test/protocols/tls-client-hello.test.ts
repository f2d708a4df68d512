import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { connect } from 'node:tls'
import { CaptureError, parseTlsClientHello, type TlsClientHello } from 'ringtap'
import { test } from 'tap'

const u16 = (value: number) => [value >>> 8, value & 0xff]
const vector8 = (bytes: number[]) => [bytes.length, ...bytes]
const vector16 = (bytes: number[]) => [...u16(bytes.length), ...bytes]
const text = (characters: string) => [...Buffer.from(characters, 'latin1')]
const extension = (type: number, content: number[]) => [...u16(type), ...vector16(content)]

interface Made {
  version?: number
  cipherSuites?: number[]
  /** Without it, the message ends behind the compression methods. */
  extensions?: number[][]
}

/** A ClientHello message with its header. */
function hello({ version = 0x0303, cipherSuites = [0x1301], extensions }: Made): number[] {
  const body = [
    ...u16(version),
    ...new Array(32).fill(7),
    ...vector8([1, 2, 3, 4]),
    ...vector16(cipherSuites.flatMap(u16)),
    ...vector8([0]),
    ...(extensions ? vector16(extensions.flat()) : []),
  ]
  return [1, 0, ...u16(body.length), ...body]
}

/** Records of at most `longest` bytes of payload. */
function records(message: number[], longest = 16384): Uint8Array {
  const bytes: number[] = []
  for (let at = 0; at < message.length; at += longest) {
    bytes.push(22, 3, 1, ...vector16(message.slice(at, at + longest)))
  }
  return Uint8Array.from(bytes)
}

const names = (...list: string[]) => extension(0, vector16(list.flatMap((name) => [0, ...vector16(text(name))])))
const alpn = (...list: string[]) => extension(16, vector16(list.flatMap((name) => vector8(text(name)))))
const versions = (...list: number[]) => extension(43, vector8(list.flatMap(u16)))
const algorithms = (...list: number[]) => extension(13, vector16(list.flatMap(u16)))
const empty = (type: number) => extension(type, [])

function parsed(bytes: Uint8Array): TlsClientHello {
  const found = parseTlsClientHello(bytes)
  if (found === undefined || found === 'incomplete') throw new Error(`no ClientHello: ${found}`)
  return found
}

// What Chrome 143 sends, as browserleaks.com reports it, with the fingerprint that it computes.
const chrome = {
  cipherSuites: [
    0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f,
    0x35,
  ],
  extensions: [
    empty(0x3a3a),
    empty(0x2d),
    empty(0x33),
    alpn('h2', 'http/1.1'),
    empty(0xfe0d),
    empty(0x17),
    empty(0x44cd),
    names('tls.example.com'),
    empty(0x0b),
    extension(10, vector16([0x4a4a, 4588, 29, 23, 24].flatMap(u16))),
    versions(0x5a5a, 0x0304, 0x0303),
    empty(0xff01),
    empty(0x23),
    empty(0x12),
    empty(0x05),
    algorithms(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    empty(0x1b),
    empty(0x6a6a),
  ],
}

test('all that a browser offers is read, GREASE values left out, and its fingerprint is the known one', (t) => {
  const found = parsed(records(hello(chrome)))
  t.equal(found.ja4, 't13d1516h2_8daaf6152771_d8a2da3f94cd')
  t.match(found, {
    version: 0x0304,
    versions: [0x0304, 0x0303],
    serverName: 'tls.example.com',
    alpn: ['h2', 'http/1.1'],
    groups: [4588, 29, 23, 24],
    signatureAlgorithms: [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
    encrypted: true,
  })
  t.same(found.cipherSuites, chrome.cipherSuites.slice(1))
  t.equal(found.extensions.length, 16)
  t.end()
})

test('a hello that is cut at any byte is incomplete, and spread over records of any length it is whole', (t) => {
  const message = hello(chrome)
  const whole = records(message)
  for (let length = 0; length < whole.length; length++) {
    if (parseTlsClientHello(whole.subarray(0, length)) !== 'incomplete') t.fail(`cut at ${length}`)
  }
  const expected = parsed(whole)
  for (const longest of [1, 2, 3, 4, 5, 100, message.length - 1, message.length]) {
    const spread = records(message, longest)
    t.same(parsed(spread), expected, `records of ${longest}`)
    for (let length = 0; length < spread.length; length++) {
      if (parseTlsClientHello(spread.subarray(0, length)) !== 'incomplete') t.fail(`${longest}, cut at ${length}`)
    }
  }
  t.same(parsed(Buffer.concat([whole, randomBytes(100)])), expected, 'what follows is not looked at')
  t.end()
})

test('a hello of an old client has no extensions', (t) => {
  const found = parsed(records(hello({ version: 0x0301, cipherSuites: [0x2f, 0x0a] })))
  t.match(found, { version: 0x0301, versions: [0x0301], alpn: [], extensions: [], encrypted: false })
  t.notOk('serverName' in found)
  t.equal(found.ja4.slice(0, 10), 't10i020000')
  t.equal(found.ja4.slice(-12), '000000000000')
  t.end()
})

test("the ends of the first protocol's name are shown, or those of its hexadecimal digits", (t) => {
  const shown = (name: string) => parsed(records(hello({ extensions: [alpn(name, 'h2')] }))).ja4.slice(8, 10)
  t.equal(shown('http/1.1'), 'h1')
  t.equal(shown('h'), 'hh')
  t.equal(shown('\xab'), 'ab')
  t.equal(shown('\x00x'), '08')
  t.equal(shown('a\xff'), '6f')
  t.end()
})

test('what is not the start of a TLS connection is no hello', (t) => {
  const not = (bytes: number[] | Uint8Array, what: string) =>
    t.equal(parseTlsClientHello(Uint8Array.from(bytes)), undefined, what)
  not(text('GET / HTTP/1.1\r\n'), 'HTTP')
  not([22, 2], 'SSL 2')
  not([23, 3, 3, 0, 10], 'application data')
  not([22, 3, 1, 0, 0], 'an empty record')
  not([22, 3, 1, 0xff, 0xff], 'a record that is too long')
  not([22, 3, 1, 0, 4, 2, 0, 0, 4], "a server's hello")
  not([22, 3, 1, 0, 4, 1, 0, 0, 0], 'a message without content')
  not([22, 3, 1, 0, 4, 1, 1, 0, 1], 'a message of 64 KiB and more')
  const message = hello({ extensions: [names('a.example')] })
  message[message.length - 15] = 200
  not(records(message), 'an extension that is longer than all of them')
  t.throws(() => parseTlsClientHello('GET' as unknown as Uint8Array), { code: 'ERR_OPTION', option: 'sent' })
  t.end()
})

test('damaged hellos never throw', (t) => {
  const whole = records(hello(chrome))
  const start = performance.now()
  for (let i = 0; i < 50_000; i++) {
    const damaged = Uint8Array.from(whole)
    for (let k = randomInt(4); k >= 0; k--) damaged[randomInt(damaged.length)] = randomInt(256)
    const found = parseTlsClientHello(damaged)
    if (
      found !== undefined &&
      found !== 'incomplete' &&
      !/^t..[di]\d{4}.._[0-9a-f]{12}_[0-9a-f]{12}$/.test(found.ja4)
    ) {
      t.fail(found.ja4)
    }
  }
  t.comment(`${Math.round(performance.now() - start)} ms`)
  t.end()
})

/** What the client that `start` connects sends first. */
async function firstFlight(start: (port: number) => { end(): void }): Promise<Uint8Array> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = start((server.address() as AddressInfo).port)
  const [socket] = await accepted
  let sent = Buffer.alloc(0)
  for await (const data of socket) {
    sent = Buffer.concat([sent, data])
    if (parseTlsClientHello(sent) !== 'incomplete') break
  }
  client.end()
  socket.destroy()
  server.close()
  return sent
}

test('the hello of Node says what it was told to offer', async (t) => {
  const sent = await firstFlight((port) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'sensor.example.org',
      ALPNProtocols: ['http/1.1'],
      ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384',
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      sigalgs: 'RSA-PSS+SHA256:ECDSA+SHA384',
    })
    socket.on('error', () => {})
    return { end: () => socket.destroy() }
  })
  t.match(parsed(sent), {
    version: 0x0304,
    serverName: 'sensor.example.org',
    alpn: ['http/1.1'],
    signatureAlgorithms: [0x0804, 0x0503],
  })
  t.match(parsed(sent).cipherSuites.slice(0, 2), [0x1301, 0xc030])
})

test('the hello of openssl s_client says what it was told to offer', async (t) => {
  const sent = await firstFlight((port) => {
    const child = spawn(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, '-noservername', '-tls1_2', '-cipher', 'AES128-GCM-SHA256'],
      { stdio: ['pipe', 'ignore', 'ignore'] },
    )
    child.on('error', (error) => t.fail(`openssl is missing: ${error.message}`))
    return { end: () => child.kill() }
  })
  const found = parsed(sent)
  t.match(found, { version: 0x0303, alpn: [] })
  t.notOk('serverName' in found)
  t.equal(found.cipherSuites[0], 0x9c)
  t.equal(found.ja4.slice(0, 4), 't12i')
})

test('a wrong argument is a typed error', (t) => {
  for (const wrong of [undefined, null, 5, [22, 3], 'x', new Uint16Array(3), new ArrayBuffer(5)]) {
    t.throws(() => parseTlsClientHello(wrong as unknown as Uint8Array), CaptureError)
  }
  t.end()
})
