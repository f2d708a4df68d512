/**
 * TCP connections that are announced before their first packet: the local address and port are chosen and announced,
 * and then the connection is opened from them.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, Socket } from 'node:net'
import type { AnnounceConnections, OwnConnection } from './transport.js'

/** Milliseconds for which a closed connection stays announced: its last packets (FIN, ACK, RST) are still to come. */
const lingering = 5000

/** How many local ports are tried if others take the chosen one first. */
const attempts = 8

export class OwnConnections {
  readonly #announce: AnnounceConnections
  readonly #open = new Set<OwnConnection>()
  /** Announcements are made one after another, so that the last one is the present state. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(announce: AnnounceConnections) {
    this.#announce = announce
  }

  /** What is announced now. */
  get open(): readonly OwnConnection[] {
    return [...this.#open]
  }

  /**
   * Opens a connection.
   *
   * @param address An IPv4 or IPv6 address, not a name.
   * @throws Error of the announcement (nothing is opened then), of the system, or the signal's reason.
   */
  async connect(address: string, port: number, signal?: AbortSignal): Promise<Socket> {
    const localAddress = await sourceAddress(address, port)
    for (let attempt = 1; ; attempt++) {
      const localPort = await freePort(localAddress)
      const own: OwnConnection = { localAddress, localPort, remoteAddress: address, remotePort: port }
      try {
        return await this.#connect(own, signal)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        const taken = code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL'
        if (!taken || attempt === attempts) throw error
      }
    }
  }

  async #connect(own: OwnConnection, signal: AbortSignal | undefined): Promise<Socket> {
    this.#open.add(own)
    try {
      await this.#announceAll()
      signal?.throwIfAborted()
    } catch (error) {
      this.#open.delete(own)
      throw error
    }
    const { localAddress, localPort, remoteAddress: host, remotePort: port } = own
    const socket = new WatchedSocket(() => this.#closed(own))
    try {
      socket.connect({ host, port, localAddress, localPort })
      await once(socket, 'connect', { signal })
      return socket
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  #closed(own: OwnConnection): void {
    setTimeout(() => {
      this.#open.delete(own)
      // Who announces reports failures; a connection that stays announced is kept out a little longer.
      this.#announceAll().catch(() => {})
    }, lingering).unref()
  }

  #announceAll(): Promise<void> {
    const done = this.#turn.then(() => this.#announce(this.open))
    this.#turn = done.catch(() => {})
    return done
  }
}

/** Reports that it is closed also to who has removed all listeners from it, as the NATS client does. */
class WatchedSocket extends Socket {
  readonly #onClosed: () => void

  constructor(onClosed: () => void) {
    super()
    this.#onClosed = onClosed
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    super._destroy(error, (failure) => {
      this.#onClosed()
      callback(failure)
    })
  }
}

/** The address from which the kernel would connect: that of a connected UDP socket, which sends nothing. */
async function sourceAddress(address: string, port: number): Promise<string> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    socket.connect(port, address)
    await once(socket, 'connect')
    return socket.address().address
  } finally {
    socket.close()
  }
}

/** A port of this address that was free a moment ago. */
async function freePort(address: string): Promise<number> {
  const server = createServer()
  server.listen({ host: address, port: 0, exclusive: true })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
