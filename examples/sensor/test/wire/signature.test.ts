import t from 'tap'
import { fromQuery, noLosses, toQuery } from '../../src/wire/batch-head.js'
import { fromHeaders, header, toHeaders } from '../../src/wire/headers.js'
import { digestOf, type RequestHead, sameSignature, signAnswer, signRequest } from '../../src/wire/signature.js'

const key = Buffer.from('0123456789abcdef0123456789abcdef')
const head: RequestHead = {
  method: 'POST',
  path: '/v1/batches?packets=2',
  time: 1_700_000_000_000,
  nonce: 'ab'.repeat(16),
  sensor: 'node-1',
  boot: '0123456789abcdef',
  sequence: 7,
}
const digest = digestOf(Buffer.from('a batch'))

t.test('the signature of a request is that of openssl over its lines', (t) => {
  // printf 'ringtap-sensor 1\nPOST\n…' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
  t.equal(signRequest(key, head, digest), 'f5d2d56f015168f61abe73c882a3cb2994299a25b3862f41d395ca86ca92c8e9')
  t.end()
})

t.test('every part of a request is covered', (t) => {
  const signature = signRequest(key, head, digest)
  const others: Partial<RequestHead>[] = [
    { method: 'PUT' },
    { path: '/v1/batches?packets=3' },
    { time: head.time + 1 },
    { nonce: 'ba'.repeat(16) },
    { sensor: 'node-2' },
    { boot: 'fedcba9876543210' },
    { sequence: 8 },
  ]
  for (const other of others) {
    t.notOk(sameSignature(signature, signRequest(key, { ...head, ...other }, digest)), JSON.stringify(other))
  }
  t.notOk(sameSignature(signature, signRequest(key, head, digestOf(Buffer.from('b batch')))))
  t.notOk(sameSignature(signature, signRequest(Buffer.from('another key'), head, digest)))
  t.notOk(sameSignature(signature, ''))
  t.ok(sameSignature(signature, signRequest(key, { ...head }, digest)))
  t.end()
})

t.test('an answer belongs to one request', (t) => {
  const answer = signAnswer(key, 200, head.nonce, digest)
  t.ok(sameSignature(answer, signAnswer(key, 200, head.nonce, digest)))
  t.notOk(sameSignature(answer, signAnswer(key, 500, head.nonce, digest)))
  t.notOk(sameSignature(answer, signAnswer(key, 200, 'ba'.repeat(16), digest)))
  t.end()
})

t.test('headers: there and back, and each is checked', (t) => {
  const signed = { ...head, digest, signature: signRequest(key, head, digest) }
  const headers = toHeaders(signed)
  const parse = (changes: Record<string, string | undefined>) =>
    fromHeaders(head.method, head.path, (name) => ({ ...headers, ...changes })[name])
  t.strictSame(parse({}), signed)
  for (const name of Object.keys(headers)) {
    t.strictSame(parse({ [name]: undefined }), { malformed: name })
    t.strictSame(parse({ [name]: `${headers[name]}\n` }), { malformed: name })
  }
  t.strictSame(parse({ [header.sensor]: '../etc' }), { malformed: header.sensor })
  t.strictSame(parse({ [header.sequence]: '-1' }), { malformed: header.sequence })
  t.strictSame(parse({ [header.sequence]: '1e3' }), { malformed: header.sequence })
  t.end()
})

t.test('the query of a batch: there and back, and each field is checked', (t) => {
  const batch = {
    packets: 1000,
    encoding: 'zstd' as const,
    first: 1_700_000_000_000_000_001n,
    last: 1_700_000_000_999_999_999n,
    lost: { ...noLosses(), ring: 3, spool: 1000 },
  }
  const query = toQuery(batch)
  t.equal(
    query,
    'packets=1000&encoding=zstd&first=1700000000000000001&last=1700000000999999999&lost=ring%3A3%2Cspool%3A1000',
  )
  t.strictSame(fromQuery(query), batch)
  t.strictSame(fromQuery(toQuery({ ...batch, lost: noLosses() })), { ...batch, lost: noLosses() })
  const refused = (from: string, to: string) => {
    t.not(query.replace(from, to), query)
    t.match(fromQuery(query.replace(from, to)), { malformed: String }, `${from} → ${to}`)
  }
  refused('packets=1000', 'packets=-1')
  refused('packets=1000', 'packets=x')
  refused('packets=1000', 'packets=1&packets=2')
  refused('packets=1000&', '')
  refused('zstd', 'br')
  refused('ring', 'rain')
  refused('%3A3', '%3A0')
  refused('first=17', 'first=-17')
  refused('lost=', 'more=1&lost=')
  t.end()
})
