/** Bytes as hexadecimal digits, so that a failed comparison shows what differs. */
export function hex(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
}
