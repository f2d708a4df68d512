/** Connections to NATS servers: where they are, credentials, and each TCP connection announced before it is opened. */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  NatsConnectionImpl,
  type NodeConnectionOptions,
  setTransportFactory,
} from '@nats-io/transport-node'
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js'
import { backoff, jittered } from '../common/backoff.js'
import type { OwnConnections } from './own-connections.js'

/** How to reach the servers. Texts are the contents of files, not their paths. */
export interface NatsSettings {
  /** One URL, or those of a cluster separated by commas; see {@link parseNatsUrl}. */
  readonly url: string
  /** A `.creds` file: a user's JWT and its seed. */
  readonly credentials?: string | undefined
  /** PEM: certificates of the authorities that are trusted, in place of the system's. */
  readonly ca?: string | undefined
  /** PEM: the client's certificate and its key. */
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  /** Shown by the server's monitoring. */
  readonly name?: string | undefined
}

export interface NatsServers {
  /** `host:port`. */
  readonly servers: readonly string[]
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** TLS is required; otherwise it is used if the server offers it. */
  readonly tls: boolean
}

/**
 * Takes a NATS_URL apart: `nats://host:4222`, `tls://user:password@host`, `nats://token@one,nats://token@two`. All URLs
 * of a list have the same credentials and scheme.
 *
 * @throws Error whose message says what is wrong, without the credentials.
 */
export function parseNatsUrl(text: string): NatsServers {
  const urls = text.split(',').map((part) => parseOne(part.trim()))
  const [first] = urls
  if (!first) throw new Error('no server is named')
  const { user, password, token, tls } = first
  for (const url of urls) {
    if (url.user !== user || url.password !== password || url.token !== token || url.tls !== tls) {
      throw new Error('all servers of the list must have the same scheme and credentials')
    }
  }
  return { ...first, servers: urls.flatMap(({ servers }) => servers) }
}

function parseOne(text: string): NatsServers {
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(text) ?? []
  if (!/^(nats|tls)$/i.test(scheme)) throw new Error(`the scheme ${scheme}:// is not nats:// or tls://`)
  let url: URL
  try {
    url = new URL(`nats://${rest}`)
  } catch {
    throw new Error('a server is not of the form nats://host:port')
  }
  if (!url.hostname) throw new Error('a server has no host name')
  if (!/^\/?$/.test(url.pathname) || url.search || url.hash) throw new Error('a server has a path or a query')
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
  return {
    servers: [`${url.hostname}:${url.port || 4222}`],
    ...(user && password && { user, password }),
    ...(user && !password && { token: user }),
    tls: scheme.toLowerCase() === 'tls',
  }
}

/**
 * Connects, and reconnects for ever from then on. Fails if no server can be reached at first.
 *
 * @param own Opens the TCP connections, if they are to be announced.
 */
export function connectNats(settings: NatsSettings, own?: OwnConnections): Promise<NatsConnection> {
  const { servers, user, password, token, tls } = parseNatsUrl(settings.url)
  const { credentials, ca, certificate, key, name } = settings
  const secured = tls || ca !== undefined || certificate !== undefined
  const options: NodeConnectionOptions & { own?: OwnConnections | undefined } = {
    servers: [...servers],
    ...(name !== undefined && { name }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { pass: password }),
    ...(token !== undefined && { token }),
    ...(credentials !== undefined && { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
    ...(secured && {
      tls: { ...(ca && { ca }), ...(certificate && { cert: certificate }), ...(key && { key }) },
    }),
    timeout: 5000,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => 250 + Math.random() * 1750,
    // A dead connection is noticed within 30 s, also while nothing is sent.
    pingInterval: 10_000,
    maxPingOut: 2,
    own,
  }
  setTransportFactory({ factory: () => new OwnTransport(), dnsResolveFn: nodeResolveHost })
  return NatsConnectionImpl.connect(options as ConnectionOptions)
}

/** Waits before {@link connectNats} is called again, after so many failures; until the signal is aborted at most. */
export async function pauseBeforeConnecting(failures: number, signal: AbortSignal): Promise<void> {
  await sleep(jittered(backoff(500, failures)), undefined, { signal }).catch(() => {})
}

/**
 * The client's transport for Node.js, but for the opening of its socket: the client has no option for a local port or a
 * socket. It copies options that it has no use for, which is how each connection finds its own {@link OwnConnections};
 * the factory of transports is one for the whole process.
 */
class OwnTransport extends NodeTransport {
  override connect(server: Parameters<NodeTransport['connect']>[0], options: NodeConnectionOptions): Promise<void> {
    // Without a host, a server that is given by its address would have to have a certificate for `localhost`.
    const tls = options.tls && { ...options.tls, host: server.hostname }
    return super.connect(server, tls ? { ...options, tls } : options)
  }

  override async dial(server: { hostname: string; port: number }): Promise<Socket> {
    const { own } = this.options as { own?: OwnConnections }
    if (!own) return await super.dial(server)
    const socket = await own.connect(server.hostname, server.port)
    socket.setNoDelay(true)
    return socket
  }
}
