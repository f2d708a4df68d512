/**
 * One end of a TCP connection on which both ends send. Each end runs in its own process and network namespace.
 *
 * Arguments: `listen PORT SEED BYTES`, or `connect ADDRESS PORT SEED BYTES`. Prints a line when it listens, and at the end
 * the SHA-256 of what it has sent and of what it has received.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'

/** Bytes at random that are the same for the same seed. */
function* bytesOf(seed: string, length: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(65_536)
  for (let left = length; left > 0; left -= zeros.length) yield cipher.update(zeros.subarray(0, left))
}

function exchange(socket: Socket, seed: string, length: number): void {
  const sent = createHash('sha256')
  const received = createHash('sha256')
  socket.on('data', (data) => received.update(data))
  socket.on('close', () => console.log(`${sent.digest('hex')} ${received.digest('hex')}`))
  Readable.from(bytesOf(seed, length))
    .on('data', (data) => sent.update(data))
    .pipe(socket)
}

const [role, ...rest] = process.argv.slice(2) as [string, ...string[]]
if (role === 'listen') {
  const [port, seed, length] = rest as [string, string, string]
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close()
    exchange(socket, seed, Number(length))
  })
  server.listen(Number(port), '0.0.0.0', () => console.log('listening'))
} else {
  const [address, port, seed, length] = rest as [string, string, string, string]
  const socket = connect({ host: address, port: Number(port), allowHalfOpen: true }, () => {
    exchange(socket, seed, Number(length))
  })
}
