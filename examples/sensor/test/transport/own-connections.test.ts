import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { OwnConnections } from '../../src/transport/own-connections.js'
import type { OwnConnection } from '../../src/transport/transport.js'

async function listen(t: Test, host: string): Promise<{ server: Server; port: number; accepted: Socket[] }> {
  const accepted: Socket[] = []
  const server = createServer((socket) => accepted.push(socket)).listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  return { server, port: (server.address() as { port: number }).port, accepted }
}

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a connection to ${host} is opened from the port that was announced, and not before`, async (t) => {
    const { server, port, accepted } = await listen(t, host)
    const announced: (readonly OwnConnection[])[] = []
    let release = () => {}
    const own = new OwnConnections((connections) => {
      announced.push(connections)
      return new Promise((resolve) => {
        release = resolve
      })
    })
    const connecting = own.connect(host, port)
    while (announced.length === 0) await new Promise(setImmediate)
    // The listener accepts in this event loop: a connection would be there after some turns.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
    t.equal(accepted.length, 0, 'none while it is announced')

    const arrival = once(server, 'connection') as Promise<[Socket]>
    release()
    const [[peer], socket] = await Promise.all([arrival, connecting])
    t.strictSame(announced, [
      [{ localAddress: host, localPort: peer.remotePort, remoteAddress: host, remotePort: port }],
    ])
    t.strictSame(own.open, announced[0])
    socket.destroy()
  })
}

t.test('each announcement has all connections', async (t) => {
  const { port } = await listen(t, '127.0.0.1')
  const counts: number[] = []
  const own = new OwnConnections(async (connections) => void counts.push(connections.length))
  const sockets = await Promise.all([1, 2, 3].map(() => own.connect('127.0.0.1', port)))
  t.equal(counts.length, 3)
  t.equal(counts.at(-1), 3)
  t.equal(new Set(own.open.map(({ localPort }) => localPort)).size, 3)
  for (const socket of sockets) socket.destroy()
})

t.test('a closed connection is taken back after its last packets, whoever listens', async (t) => {
  const { port, accepted } = await listen(t, '127.0.0.1')
  let latest: readonly OwnConnection[] = []
  const own = new OwnConnections(async (connections) => {
    latest = connections
  })
  const socket = await own.connect('127.0.0.1', port)
  socket.removeAllListeners()
  socket.destroy()
  while (accepted.length === 0) await new Promise(setImmediate)
  t.equal(latest.length, 1, 'still announced')
  while (latest.length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  t.strictSame(own.open, [])
})

t.test('nothing is opened if the announcement fails', async (t) => {
  const { port, accepted } = await listen(t, '127.0.0.1')
  const own = new OwnConnections(async () => {
    throw new Error('no filter')
  })
  await t.rejects(own.connect('127.0.0.1', port), { message: 'no filter' })
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  t.equal(accepted.length, 0)
  t.strictSame(own.open, [])
})

t.test('a refused connection is the error of the system', async (t) => {
  const { port, server } = await listen(t, '127.0.0.1')
  server.close()
  await once(server, 'close')
  const own = new OwnConnections(async () => {})
  await t.rejects(own.connect('127.0.0.1', port), { code: 'ECONNREFUSED' })
})
