/** A signed request as headers, over HTTP and NATS alike. */
import { isBoot, isSensorName } from './identity.js'
import type { RequestHead } from './signature.js'

export const header = {
  sensor: 'x-sensor',
  boot: 'x-sensor-boot',
  sequence: 'x-sensor-sequence',
  time: 'x-sensor-time',
  nonce: 'x-sensor-nonce',
  digest: 'x-sensor-digest',
  signature: 'x-sensor-signature',
  /** The signature of an answer. */
  answer: 'x-collector-signature',
} as const

export type SignedHead = RequestHead & { readonly digest: string; readonly signature: string }

export function toHeaders(head: SignedHead): Record<string, string> {
  return {
    [header.sensor]: head.sensor,
    [header.boot]: head.boot,
    [header.sequence]: String(head.sequence),
    [header.time]: String(head.time),
    [header.nonce]: head.nonce,
    [header.digest]: head.digest,
    [header.signature]: head.signature,
  }
}

/**
 * The head of a request that was received, or the name of the first header that is missing or malformed. `method` and
 * `path` are those of the transport.
 */
export function fromHeaders(
  method: string,
  path: string,
  get: (name: string) => string | undefined,
): SignedHead | { readonly malformed: string } {
  const text = (name: string) => get(name) ?? ''
  const checks: [string, boolean][] = [
    [header.sensor, isSensorName(text(header.sensor))],
    [header.boot, isBoot(text(header.boot))],
    [header.sequence, /^(0|[1-9]\d{0,14})$/.test(text(header.sequence))],
    [header.time, /^[1-9]\d{0,14}$/.test(text(header.time))],
    [header.nonce, /^[0-9a-f]{32}$/.test(text(header.nonce))],
    [header.digest, /^[0-9a-f]{64}$/.test(text(header.digest))],
    [header.signature, /^[0-9a-f]{64}$/.test(text(header.signature))],
  ]
  const bad = checks.find(([, good]) => !good)
  if (bad) return { malformed: bad[0] }
  if (/[\r\n]/.test(path)) return { malformed: 'path' }
  return {
    method,
    path,
    sensor: text(header.sensor),
    boot: text(header.boot),
    sequence: Number(text(header.sequence)),
    time: Number(text(header.time)),
    nonce: text(header.nonce),
    digest: text(header.digest),
    signature: text(header.signature),
  }
}
