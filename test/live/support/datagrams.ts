import { createSocket } from 'node:dgram'
import { range } from '../../helpers/range.js'

/** Sends datagrams `from` to `to` over loopback, each with its number as its text, to a port where nobody listens. */
export async function datagrams(from: number, to: number): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('error', () => {}) // told that nobody listens
  for (const number of range(from, to)) {
    await new Promise<void>((resolve) => socket.send(`number ${number}.`, 9, '127.0.0.1', () => resolve()))
  }
  socket.close()
}

/** The number of the datagram that is somewhere in these bytes. */
export function datagramNumber(data: Uint8Array): number | undefined {
  const number = /number (\d+)\./.exec(Buffer.from(data).toString('latin1'))?.[1]
  return number === undefined ? undefined : Number(number)
}
