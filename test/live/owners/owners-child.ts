/** Follows sockets, makes a connection to itself, and prints who is at its ends and what is missing, as JSON. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { SocketOwners } from 'ringtap'

await using owners = await SocketOwners.open({ everyNamespace: false })
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const socket = connect(port, '127.0.0.1')
await Promise.all([once(socket, 'connect'), once(server, 'connection')])
const timestamp = BigInt(Date.now()) * 1_000_000n + 1_000_000n
await owners.update()
const flow = {
  protocol: 6,
  sourceIp: '127.0.0.1',
  sourcePort: socket.localPort as number,
  destinationIp: '127.0.0.1',
  destinationPort: port,
}
console.log(JSON.stringify({ pid: process.pid, owners: owners.ownersOf(flow, timestamp), missing: owners.missing }))
process.exit()
