/**
 * Signatures of requests and answers: HMAC-SHA256 with the sensor's key. A signature covers everything that the receiver
 * acts on, the request's target with its query included.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Identity } from './identity.js'

/** Milliseconds by which the clocks of sensor and collector may differ. */
export const clockWindow = 60_000

/** What the signature of a request covers, beside the digest of its body. */
export interface RequestHead extends Identity {
  /** `POST`, or `PUBLISH` of a message. */
  readonly method: string
  /** The request's target with its query, or the subject of a message with its query. */
  readonly path: string
  /** The sender's clock, milliseconds since 1970-01-01 UTC. */
  readonly time: number
  /** 32 hexadecimal digits, chosen at random for each attempt to send. */
  readonly nonce: string
}

/** SHA-256 of a body as it is sent, in hexadecimal. */
export function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}

export function signRequest(key: Uint8Array, head: RequestHead, digest: string): string {
  const { method, path, time, nonce, sensor, boot, sequence } = head
  return sign(key, ['ringtap-sensor 1', method, path, time, nonce, sensor, boot, sequence, digest])
}

/** The signature of an answer; `nonce` is the request's, so that an answer cannot be used for another request. */
export function signAnswer(key: Uint8Array, status: number, nonce: string, digest: string): string {
  return sign(key, ['ringtap-collector 1', status, nonce, digest])
}

/** Whether two signatures are the same; takes as long for each pair of one length. */
export function sameSignature(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1')]
  return a.length === b.length && timingSafeEqual(a, b)
}

function sign(key: Uint8Array, parts: readonly (string | number)[]): string {
  // None of the parts can contain a line break: receivers check the form of each before they compare signatures.
  return createHmac('sha256', key).update(parts.join('\n')).digest('hex')
}
