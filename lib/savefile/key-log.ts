import { types } from 'node:util'
import { CaptureError, optionError } from '../errors.js'

/**
 * Lines of a key log of TLS in NSS's format (SSLKEYLOGFILE): text or bytes with any number of whole lines, or several of
 * these. The event `keylog` of Node's TLS sockets and servers has such lines.
 */
export type KeyLog = string | Uint8Array | readonly (string | Uint8Array)[]

/** Bytes of lines given at once: readers take blocks of up to 16 MiB. */
const maxBytes = 8 * 1024 * 1024
/** A label, what the connection is found by in its first messages, and a secret. */
const secretLine = /^([A-Z][A-Z0-9_]*) ((?:[0-9a-fA-F]{2})+) ((?:[0-9a-fA-F]{2})+)$/
/** Bytes of a client random; with the label RSA it is the begin of the encrypted premaster secret. */
const randomBytes = 32
const premasterBytes = 8

/**
 * Checks lines of a key log, and returns those with a secret, each with a line feed; `undefined` if there are none. Error
 * messages contain nothing of the lines.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkKeyLog(value: unknown, label: string): Uint8Array | undefined {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value]
  const lines: string[] = []
  let number = 0
  let bytes = 0
  for (const part of parts) {
    const text = textOf(part, label)
    bytes += text.length
    if (bytes > maxBytes) throw failure(label, `has more than ${maxBytes} bytes; give them in several calls`)
    const whole = text.split('\n')
    // Behind the last line feed there is no line.
    if (whole.at(-1) === '') whole.pop()
    for (const one of whole) {
      number++
      const line = one.trimEnd()
      if (line === '' || line.startsWith('#')) continue
      checkLine(line, label, number)
      lines.push(line)
    }
  }
  return lines.length === 0 ? undefined : Buffer.from(`${lines.join('\n')}\n`, 'latin1')
}

function textOf(part: unknown, label: string): string {
  if (typeof part === 'string') return part
  if (types.isUint8Array(part)) return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('latin1')
  // Not the value itself: it may be a secret.
  throw optionError(label, 'lines of a key log: a string, a Uint8Array, or an array of these', typeof part)
}

function checkLine(line: string, label: string, number: number): void {
  const [, name, random] = secretLine.exec(line) ?? []
  if (name === undefined || random === undefined)
    throw failure(label, `line ${number} is not LABEL HEX HEX, as in a key log of NSS`)
  const expected = name === 'RSA' ? premasterBytes : randomBytes
  if (random.length !== 2 * expected)
    throw failure(
      label,
      `line ${number}: ${name} needs ${expected} bytes ahead of its secret, and has ${random.length / 2}`,
    )
}

const failure = (label: string, text: string) => new CaptureError('ERR_OPTION', `${label} ${text}`, { option: label })

/** The error for secrets that a pcap file cannot hold. @internal */
export function noSecretsInPcap(): CaptureError {
  return new CaptureError('ERR_OPTION', 'a pcap file has no place for secrets; write pcapng', { option: 'keyLog' })
}
