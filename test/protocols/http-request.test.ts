import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { type HttpRequest, parseHttpRequest } from 'ringtap'
import { test } from 'tap'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const parse = (text: string) => parseHttpRequest(bytes(text))

test('the request line, the host and the length of the head are read', (t) => {
  const head = 'GET /index.html?a=b HTTP/1.1\r\nAccept: */*\r\nHOST:  www.example.org:8080 \r\nUser-Agent: x y\r\n\r\n'
  t.same(parse(`${head}body`), {
    method: 'GET',
    target: '/index.html?a=b',
    version: '1.1',
    host: 'www.example.org:8080',
    userAgent: 'x y',
    length: head.length,
  } satisfies HttpRequest)
  t.same(parse('M-SEARCH * HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'), {
    method: 'M-SEARCH',
    target: '*',
    version: '1.1',
    host: 'a',
    length: 41,
  })
  t.match(parse('GET http://a.example/ HTTP/1.0\r\n\r\n'), { target: 'http://a.example/', version: '1.0' })
  t.match(parse('GET / HTTP/1.1\nHost: a\n\n'), { host: 'a', length: 24 }, 'line feeds alone')
  t.match(parse('GET /\xe4 HTTP/1.1\r\nHost:\r\n\r\n'), { target: '/\xe4', host: '' })
  t.end()
})

test('a head that is cut at any byte is incomplete', (t) => {
  const head = 'DELETE /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n'
  for (let length = 0; length < head.length; length++) {
    if (parse(head.slice(0, length)) !== 'incomplete') t.fail(`cut at ${length}`)
  }
  t.match(parse(head), { method: 'DELETE', length: head.length })
  t.end()
})

test('what is no request is recognised as soon as it can be', (t) => {
  for (const other of [
    ' ',
    '\r\n',
    '\x16\x03\x01',
    'SSH-2.0-OpenSSH_9\r\n',
    'HTTP/1.1 200 OK\r\n',
    'GET /\r\n',
    'GET / HTTP/2.0\r\n',
    'GET / HTTP/1.1 \r\n',
    'GET  / HTTP/1.1\r\n\r\n',
    'A'.repeat(33),
    `GET /${'a'.repeat(70_000)}`,
    'EHLO mail.example\r\n',
  ]) {
    t.equal(parse(other), undefined, JSON.stringify(other.slice(0, 40)))
  }
  t.throws(() => parseHttpRequest('GET / HTTP/1.1\r\n\r\n' as unknown as Uint8Array), {
    code: 'ERR_OPTION',
    option: 'sent',
  })
  t.end()
})

test('random bytes and damaged heads never throw', (t) => {
  const head = bytes('POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello')
  for (let i = 0; i < 50_000; i++) {
    const damaged = Buffer.from(head)
    for (let k = randomInt(5); k >= 0; k--) damaged[randomInt(damaged.length)] = randomInt(256)
    const found = parseHttpRequest(damaged)
    if (typeof found === 'object' && !(found.length <= damaged.length)) t.fail(damaged.toString('hex'))
  }
  t.end()
})

test('a request of Node is read as it was made', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const client = request({ port, host: '127.0.0.1', path: '/x?y', method: 'PUT', headers: { 'user-agent': 'test/1' } })
  client.on('error', () => {})
  client.end('body')
  const [socket] = await accepted
  let sent = Buffer.alloc(0)
  let found: ReturnType<typeof parseHttpRequest>
  for await (const data of socket) {
    sent = Buffer.concat([sent, data])
    found = parseHttpRequest(sent)
    if (found !== 'incomplete') break
  }
  client.destroy()
  socket.destroy()
  server.close()
  t.match(found, { method: 'PUT', target: '/x?y', version: '1.1', host: `127.0.0.1:${port}`, userAgent: 'test/1' })
})
