// Makes the collector's page reachable from outside the demonstration's network namespace.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { connect } from 'node:tls'
import type { Offer, Port } from './enter.js'

/**
 * Has the program outside listen on a port of 127.0.0.1, and passes on what arrives there, by a Unix socket, to the
 * collector. TLS begins here: a browser would not trust the demonstration's own authority.
 *
 * @returns the page's address
 */
export async function offerPage(socket: string, authority: string, host: string, port: number): Promise<string> {
  const ca = readFileSync(authority)
  const server = createServer((client) => {
    const collector = connect({ host, port, ca })
    client.pipe(collector).pipe(client)
    client.on('error', () => collector.destroy())
    collector.on('error', () => client.destroy())
  })
  server.listen(socket)
  await once(server, 'listening')
  server.unref()
  const answered = once(process, 'message') as Promise<[Port]>
  process.send?.({ socket } satisfies Offer)
  const [{ port: outside }] = await answered
  return `http://localhost:${outside}/`
}
