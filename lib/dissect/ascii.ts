// ASCII text written into bytes. Each function writes at `at` and returns the position behind its text; bytes beyond the
// end of `out` are dropped, as typed arrays do, so that the caller can compare the last position with the length once.

/** @internal */
export function putText(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** An integer of 32 bits without sign, in decimal. @internal */
export function putDecimal(out: Uint8Array, at: number, value: number): number {
  let rest = value >>> 0
  const end = at + digitsOf(rest)
  let place = end
  while (rest >= 10) {
    const tens = (rest / 10) >>> 0
    out[--place] = 0x30 + rest - tens * 10
    rest = tens
  }
  out[--place] = 0x30 + rest
  return end
}

function digitsOf(value: number): number {
  if (value < 100_000) {
    if (value < 100) return value < 10 ? 1 : 2
    if (value < 1000) return 3
    return value < 10_000 ? 4 : 5
  }
  if (value < 10_000_000) return value < 1_000_000 ? 6 : 7
  if (value < 100_000_000) return 8
  return value < 1_000_000_000 ? 9 : 10
}

const hexDigits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

/** An integer of 32 bits in hexadecimal, with at least `width` digits. @internal */
export function putHex(out: Uint8Array, at: number, value: number, width = 1): number {
  const digits = Math.max(width, (35 - Math.clz32(value)) >> 2)
  for (let i = digits - 1, rest = value; i >= 0; i--, rest >>>= 4) out[at + i] = hexDigits[rest & 15] as number
  return at + digits
}

/** An IPv4 address. @internal */
export function putIpv4(out: Uint8Array, at: number, bytes: Uint8Array, from: number): number {
  for (let i = 0; i < 4; i++) {
    if (i > 0) out[at++] = 0x2e
    let octet = bytes[from + i] as number
    if (octet >= 100) {
      const hundreds = octet >= 200 ? 2 : 1
      out[at++] = 0x30 + hundreds
      octet -= hundreds * 100
      const tens = (octet / 10) | 0
      out[at++] = 0x30 + tens
      octet -= tens * 10
    } else if (octet >= 10) {
      const tens = (octet / 10) | 0
      out[at++] = 0x30 + tens
      octet -= tens * 10
    }
    out[at++] = 0x30 + octet
  }
  return at
}

/** An IPv6 address in the form of RFC 5952; one that holds an IPv4 address (`::ffff:0:0/96`) ends with that. @internal */
export function putIpv6(out: Uint8Array, at: number, bytes: Uint8Array, from: number): number {
  const run = longestZeros(bytes, from)
  const skipped = run & 15
  const first = skipped === 0 ? 8 : run >> 4
  if (run === 5 && bytes[from + 10] === 0xff && bytes[from + 11] === 0xff) {
    return putIpv4(out, putText(out, at, '::ffff:'), bytes, from + 12)
  }
  for (let i = 0; i < 8; i++) {
    if (i === first) {
      if (i === 0) out[at++] = 0x3a
      out[at++] = 0x3a
      i += skipped - 1
    } else {
      const group = ((bytes[from + 2 * i] as number) << 8) | (bytes[from + 2 * i + 1] as number)
      at = putHex(out, at, group)
      if (i < 7) out[at++] = 0x3a
    }
  }
  return at
}

/** The longest run of two groups or more that are 0, the first of several (RFC 5952, 4.2): 16 × its start + its length, or 0. */
function longestZeros(bytes: Uint8Array, from: number): number {
  let longest = 0
  let length = 0
  for (let i = 0; i < 8; i++) {
    length = bytes[from + 2 * i] === 0 && bytes[from + 2 * i + 1] === 0 ? length + 1 : 0
    if (length > 1 && length > (longest & 15)) longest = ((i + 1 - length) << 4) | length
  }
  return longest
}

/** A hardware address of six bytes. @internal */
export function putMac(out: Uint8Array, at: number, bytes: Uint8Array, from: number): number {
  for (let i = 0; i < 6; i++) {
    if (i > 0) out[at++] = 0x3a
    const byte = bytes[from + i] as number
    out[at++] = hexDigits[byte >> 4] as number
    out[at++] = hexDigits[byte & 15] as number
  }
  return at
}

/** A name and a number in decimal: `putField(out, at, ', win ', 1024)`. @internal */
export function putField(out: Uint8Array, at: number, name: string, value: number): number {
  return putDecimal(out, putText(out, at, name), value)
}

/** @internal */
export function putLength(out: Uint8Array, at: number, length: number): number {
  return putField(out, at, ', length ', length)
}

/** Bytes in hexadecimal, without separators. @internal */
export function putHexBytes(out: Uint8Array, at: number, bytes: Uint8Array, from: number, length: number): number {
  for (let i = 0; i < length; i++) at = putHex(out, at, bytes[from + i] as number, 2)
  return at
}
