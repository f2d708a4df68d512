import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A certificate of its own making, for `localhost` and 127.0.0.1: the paths of it and its key, and its text. */
export function makeCertificate(directory: string, name = 'localhost') {
  const [cert, key] = [path.join(directory, `${name}.crt`), path.join(directory, `${name}.key`)]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  )
  return { cert, key, text: readFileSync(cert, 'utf8') }
}
