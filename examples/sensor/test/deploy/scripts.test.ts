// deploy/make-secrets.
import { execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { deploy } from '../support/places.js'

const script = path.join(deploy, 'make-secrets')

t.test('make-secrets: keys, and a certificate for the names', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-secrets-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  execFileSync(script, [folder, 'collector.example', '192.0.2.1', '2001:db8::1'])
  t.match(read('hmac-key'), /^[0-9a-f]{64}\n$/)
  t.equal(read('collector-keys'), `* ${read('hmac-key')}`)
  t.match(read('token'), /^[0-9a-f]{64}\n$/)
  const [authority, certificate] = [new X509Certificate(read('ca.crt')), new X509Certificate(read('tls.crt'))]
  t.ok(authority.ca)
  t.ok(certificate.verify(authority.publicKey))
  t.equal(certificate.checkHost('collector.example'), 'collector.example')
  t.equal(certificate.checkHost('other.example'), undefined)
  t.equal(certificate.checkIP('192.0.2.1'), '192.0.2.1')
  t.ok(certificate.checkIP('2001:db8::1'))
  for (const name of ['hmac-key', 'ca.key', 'tls.key', 'token']) {
    t.equal(statSync(path.join(folder, name)).mode & 0o077, 0, name)
  }

  const before = ['hmac-key', 'token', 'ca.crt', 'tls.crt'].map(read)
  execFileSync(script, [folder, 'another.example'])
  t.strictSame(['hmac-key', 'token', 'ca.crt', 'tls.crt'].map(read), before, 'what is there is kept')
})

t.test('make-secrets: without names it says how it is called', async (t) => {
  const { status, stderr } = spawnSync(script, ['somewhere'], { encoding: 'utf8' })
  t.equal(status, 2)
  t.match(stderr, /^usage: /)
})
