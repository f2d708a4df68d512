import { createSocket } from 'node:dgram'
import { range } from '../../helpers/range.js'

/** Sends datagrams numbered `from` to `to` over loopback to a closed port; the payload is the number as text. */
export async function datagrams(from: number, to: number): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('error', () => {}) // ECONNREFUSED: the port is closed
  for (const number of range(from, to)) {
    await new Promise<void>((resolve) => socket.send(`number ${number}.`, 9, '127.0.0.1', () => resolve()))
  }
  socket.close()
}

/** Finds the number of a datagram in these bytes. */
export function datagramNumber(data: Uint8Array): number | undefined {
  const number = /number (\d+)\./.exec(Buffer.from(data).toString('latin1'))?.[1]
  return number === undefined ? undefined : Number(number)
}
