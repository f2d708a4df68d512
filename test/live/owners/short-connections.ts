/**
 * Makes short TCP connections one after another, and prints `PID PORT,PORT,…`: their local ports.
 *
 *   node short-connections.js HOST PORT COUNT
 */
import { once } from 'node:events'
import { connect } from 'node:net'

const [host = '', port = '', count = ''] = process.argv.slice(2)
const ports: number[] = []
for (let i = 0; i < Number(count); i++) {
  const socket = connect(Number(port), host)
  await once(socket, 'connect')
  ports.push(socket.localPort as number)
  socket.resume().end()
  await once(socket, 'close')
}
console.log(`${process.pid} ${ports.join()}`)
