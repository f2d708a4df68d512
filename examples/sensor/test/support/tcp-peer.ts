/**
 * One end of TCP connections, as a process that can run in another namespace: `listen ADDRESS PORT` or `connect ADDRESS
 * PORT`. A line on its standard input is sent on every connection, `flood` without end. Prints what happens as lines:
 * `PORT listening`, `PORT open`, `PORT got BYTES` (in all; the first, and those below 1000), `PORT closed CODE`; PORT is the
 * client's.
 */
import { createConnection, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

const [mode, address, port] = process.argv.slice(2) as [string, string, string]
const sockets = new Set<Socket>()

function flood(socket: Socket): void {
  while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
  socket.once('drain', () => flood(socket))
}

function attend(socket: Socket, name: number): void {
  sockets.add(socket)
  let code = 'without an error'
  let total = 0
  socket.setNoDelay(true)
  console.log(`${name} open`)
  socket.on('data', (data) => {
    total += data.length
    if (total === data.length || total < 1000) console.log(`${name} got ${total}`)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message
  })
  socket.on('close', () => {
    sockets.delete(socket)
    console.log(`${name} closed ${code}`)
  })
}

if (mode === 'listen') {
  const server = createServer((socket) => attend(socket, socket.remotePort ?? 0))
  server.listen(Number(port), address, () => console.log('0 listening'))
} else {
  const socket = createConnection({ host: address, port: Number(port) })
  socket.on('connect', () => attend(socket, socket.localPort ?? 0))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (socket.connecting || !sockets.has(socket)) console.log(`0 failed ${error.code}`)
  })
}

const input = createInterface({ input: process.stdin })
input.on('line', (line) => {
  for (const socket of sockets) {
    if (line === 'flood') flood(socket)
    else socket.write(line)
  }
})
input.on('close', () => process.exit(0))
