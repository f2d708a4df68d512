/** Bytes as hexadecimal digits: for comparisons that tell what differs. */
export function hex(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
}
