/** Certificates made with openssl(1): an authority, a server's for 127.0.0.1 and localhost, and a client's. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificates {
  /** Paths. */
  readonly ca: string
  readonly server: { readonly cert: string; readonly key: string }
  readonly client: { readonly cert: string; readonly key: string }
}

export function makeCertificates(folder: string): Certificates {
  const path = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority')
  const issue = (name: string, extensions: string) => {
    writeFileSync(path(`${name}.ext`), extensions)
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`]
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed)
    return { cert: path(`${name}.pem`), key: path(`${name}.key`) }
  }
  return {
    ca: path('ca.pem'),
    server: issue('server', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n'),
    client: issue('client', 'extendedKeyUsage=clientAuth\n'),
  }
}

export function read({ cert, key }: { readonly cert: string; readonly key: string }): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) }
}
