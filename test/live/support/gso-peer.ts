/**
 * One end of a TCP transfer. Each end runs in its own process and network namespace.
 *
 * Arguments: `receive PORT [ADDRESS]`, or `send ADDRESS PORT BYTES`. Prints a line when it listens, and a line with
 * the number of bytes when it is done.
 */
import { connect, createServer } from 'node:net'

const [role, ...rest] = process.argv.slice(2)

if (role === 'receive') {
  const server = createServer((socket) => {
    let bytes = 0
    socket.on('data', (data) => {
      bytes += data.length
    })
    socket.on('end', () => {
      console.log(String(bytes))
      server.close()
    })
  })
  server.listen(Number(rest[0]), rest[1] ?? '0.0.0.0', () => console.log('listening'))
} else {
  const [address, port, bytes] = rest
  const socket = connect(Number(port), address as string, () => socket.end(Buffer.alloc(Number(bytes), 'ringtap ')))
}
