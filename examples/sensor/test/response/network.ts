/** Two hosts on a bridge, and TCP connections between them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { addNamespace, inside, ip } from '../../src/demo/network.js'
import { until } from '../support/wait.js'

const program = fileURLToPath(new URL('../support/tcp-peer.js', import.meta.url))

/** A process of `support/tcp-peer.ts`. */
export class Peer {
  readonly lines: string[] = []
  readonly #process: ChildProcess

  constructor(namespace: number, ...args: string[]) {
    const [command, ...rest] = inside(namespace, [process.execPath, program, ...args])
    this.#process = spawn(command!, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.lines.push(line))
  }

  send(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** Waits for a line and returns its first word, the client's port. */
  async line(pattern: RegExp): Promise<number> {
    const found = () => this.lines.find((line) => pattern.test(line))
    await until(() => found() !== undefined)
    return Number(found()?.split(' ')[0])
  }

  async close(): Promise<void> {
    this.#process.stdin?.end()
    if (this.#process.exitCode === null) await once(this.#process, 'exit')
  }
}

export interface Hosts {
  /** Makes a connection from the first host to the second. */
  connect(): Promise<{ client: Peer; port: number }>
  /** Tries to, and resolves to the client once it has printed the outcome. */
  attempt(): Promise<Peer>
  /** Restricts the ports of further clients. */
  limitPorts(first: number, last: number): void
  readonly server: Peer
  readonly addresses: readonly [string, string]
  readonly serverPort: number
}

/**
 * Hosts `a` and `b`, behind the ports `a0` and `b0` of the bridge `br0` of this namespace.
 */
export async function twoHosts(t: Test, how: 'ipv4' | 'ipv6' = 'ipv4'): Promise<Hosts> {
  const hosts = [await addNamespace(), await addNamespace()] as const
  const addresses = how === 'ipv6' ? (['fd00::1', 'fd00::2'] as const) : (['10.0.0.1', '10.0.0.2'] as const)
  ip(['link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set br0 up'])
  for (const [index, { pid }] of hosts.entries()) {
    const port = index === 0 ? 'a0' : 'b0'
    ip([`link add ${port} type veth peer name eth0 netns ${pid}`, `link set ${port} master br0`, `link set ${port} up`])
    if (how === 'ipv6') {
      spawnIn(pid, 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6')
    }
    ip(['link set eth0 up', `address add ${addresses[index]}/${how === 'ipv6' ? '64 nodad' : '24'} dev eth0`], pid)
  }
  const serverPort = 5000
  const server = new Peer(hosts[1].pid, 'listen', addresses[1], String(serverPort))
  const peers = [server]
  t.teardown(async () => {
    for (const peer of peers) await peer.close()
    // The kernel removes a namespace, and the interfaces in it, some time after its last process has ended.
    ip(['link del a0', 'link del b0', 'link del br0'])
    for (const host of hosts) await host.close()
  })
  await server.line(/listening/)
  const start = () => {
    const client = new Peer(hosts[0].pid, 'connect', addresses[1], String(serverPort))
    peers.push(client)
    return client
  }
  return {
    server,
    addresses,
    serverPort,
    async connect() {
      const client = start()
      const port = await client.line(/open/)
      await server.line(new RegExp(`^${port} open`))
      return { client, port }
    },
    limitPorts(first, last) {
      spawnIn(hosts[0].pid, 'sh', '-c', `echo ${first} ${last} >/proc/sys/net/ipv4/ip_local_port_range`)
    },
    async attempt() {
      const client = start()
      await client.line(/open|failed/)
      return client
    },
  }
}

function spawnIn(namespace: number, ...command: string[]): void {
  const [name, ...args] = inside(namespace, command)
  const { status } = spawnSync(name!, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command.join(' ')} failed`)
}
