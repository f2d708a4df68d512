import { createSocket } from 'node:dgram'
import { addBridge, addNamespace, addVeth, ip, ipBatch, link, sysctl } from './network.js'
import { sendSync } from './send.js'

/**
 * A host that forwards packets:
 *
 * - br0, a bridge, with the ports va, vb, vc (containers, each in its own namespace) and eth0 (the uplink);
 * - up0 and up1, veths to further namespaces, which the host routes to and from;
 * - p0 and p1, a veth pair with both ends in the host's namespace.
 */
export interface Host {
  /** Sends numbered frames along one of the ways; resolves when they have passed. */
  go(way: Way, start: number, count: number): Promise<void>
  /** MAC addresses of the hosts behind the ports, and of the bridge. */
  readonly mac: Readonly<Record<string, string>>
  /** pids of processes in the namespaces behind the veths. */
  readonly behind: Readonly<Record<string, number>>
}

export const ports = ['va', 'vb', 'vc', 'eth0'] as const
export const interfaces = [...ports, 'br0', 'up0', 'up1', 'p0', 'p1'] as const

/** Each way a packet can take, with its sightings in order; the sightings of a flood may come in any order. */
export const ways = {
  'port to port': ['va in', 'vb out'],
  'uplink to port': ['eth0 in', 'vb out'],
  'port to uplink': ['vb in', 'eth0 out'],
  'port to host': ['va in', 'br0 in'],
  'host to port': ['br0 out', 'vb out'],
  'host to uplink': ['br0 out', 'eth0 out'],
  'socket to port': ['br0 out', 'vb out'],
  'broadcast from a port': ['va in', 'vb out', 'vc out', 'eth0 out', 'br0 in'],
  'multicast from a port': ['va in', 'vb out', 'vc out', 'eth0 out', 'br0 in'],
  'unknown address from a port': ['va in', 'vb out', 'vc out', 'eth0 out'],
  'broadcast from the host': ['br0 out', 'va out', 'vb out', 'vc out', 'eth0 out'],
  'multicast from the host': ['br0 out', 'va out', 'vb out', 'vc out', 'eth0 out'],
  'routed from a port': ['va in', 'br0 in', 'up0 out'],
  'routed to a port': ['up0 in', 'br0 out', 'vb out'],
  'routed past the bridge': ['up0 in', 'up1 out'],
  'from the host': ['up0 out'],
  'to the host': ['up0 in'],
  'link-local at a port': ['va out'],
  'link-local from a port': ['va in'],
  'a pair with both ends here': ['p0 out', 'p1 in'],
} as const satisfies Record<string, readonly string[]>

export type Way = keyof typeof ways

/** The ways on which one packet is copied to several devices. */
export const floods = (Object.keys(ways) as Way[]).filter((way) => ways[way].length > 3)

const inside = (n: number) => `02:00:00:00:10:0${n}`
const broadcast = 'ff:ff:ff:ff:ff:ff'
const multicast = '01:00:5e:01:02:03'
const lldp = '01:80:c2:00:00:0e'
/** Destination address in the IP header of the numbered frames (frame.ts). */
const target = '198.18.0.2'

/** Builds the host in the test's own namespace. */
export async function buildHost(t: { teardown(end: () => unknown): unknown }): Promise<Host> {
  const { behind, mac } = await buildNetwork(t)
  const runs = sendersOf(behind, mac)
  return {
    mac,
    behind,
    async go(way, start, count) {
      await runs[way](start, count)
    },
  }
}

/** Makes the devices, namespaces, addresses and neighbours. */
async function buildNetwork(t: { teardown(end: () => unknown): unknown }): Promise<Pick<Host, 'behind' | 'mac'>> {
  const behind: Record<string, number> = {}
  const mac: Record<string, string> = {}
  for (const [n, name] of [...ports, 'up0', 'up1'].entries()) {
    const namespace = await addNamespace()
    t.teardown(() => namespace.close())
    behind[name] = namespace.pid
    mac[name] = inside(n)
    addVeth(name, 'far', { peerNamespace: namespace.pid, peerAddress: inside(n) })
  }
  addVeth('p0', 'p1')
  addBridge('br0', ports)
  for (const name of ['br0', 'up0', 'up1']) mac[`${name} here`] = link(name).address
  for (const name of ['all', 'default', 'br0', 'up0', 'up1']) sysctl(`net/ipv4/conf/${name}/rp_filter`, 0)
  sysctl('net/ipv4/ip_forward', 1)
  ipBatch([
    'address add 10.0.0.254/24 dev br0',
    `neigh add 10.0.0.2 lladdr ${mac['vb']} dev br0`,
    'address add 10.0.1.254/24 dev up0',
    'address add 10.0.2.254/24 dev up1',
    ...['br0', 'up0', 'up1'].map(
      (name) => `neigh add ${target} lladdr ${mac[name === 'br0' ? 'vb' : name]} dev ${name}`,
    ),
  ])
  // Teach the bridge which MAC address is behind which port.
  for (const name of ports) {
    const address = mac[name] as string
    sendSync({ interface: 'far', namespace: behind[name], count: 1, source: address, destination: broadcast })
  }
  return { behind, mac }
}

/** The functions that send numbered packets on each way. */
function sendersOf(behind: Host['behind'], mac: Host['mac']): Record<Way, (start: number, count: number) => unknown> {
  const from = (name: string, destination: string | undefined, start: number, count: number) =>
    sendSync({
      interface: 'far',
      namespace: behind[name],
      start,
      count,
      source: mac[name] as string,
      destination: destination as string,
    })
  const here = (name: string, destination: string | undefined, start: number, count: number) =>
    sendSync({ interface: name, start, count, source: mac['br0 here'] as string, destination: destination as string })
  const routed = (to: string, run: () => void) => {
    ip('route', 'add', target, 'dev', to)
    run()
    ip('route', 'del', target, 'dev', to)
  }

  return {
    'port to port': (s, n) => from('va', mac['vb'], s, n),
    'uplink to port': (s, n) => from('eth0', mac['vb'], s, n),
    'port to uplink': (s, n) => from('vb', mac['eth0'], s, n),
    'port to host': (s, n) => from('va', mac['br0 here'], s, n),
    'host to port': (s, n) => here('br0', mac['vb'], s, n),
    'host to uplink': (s, n) => here('br0', mac['eth0'], s, n),
    'socket to port': (s, n) => overSocket('10.0.0.2', s, n),
    'broadcast from a port': (s, n) => from('va', broadcast, s, n),
    'multicast from a port': (s, n) => from('va', multicast, s, n),
    'unknown address from a port': (s, n) => from('va', '02:00:00:00:99:99', s, n),
    'broadcast from the host': (s, n) => here('br0', broadcast, s, n),
    'multicast from the host': (s, n) => here('br0', multicast, s, n),
    'routed from a port': (s, n) => routed('up0', () => from('va', mac['br0 here'], s, n)),
    'routed to a port': (s, n) => routed('br0', () => from('up0', mac['up0 here'], s, n)),
    'routed past the bridge': (s, n) => routed('up1', () => from('up0', mac['up0 here'], s, n)),
    'from the host': (s, n) => here('up0', mac['up0'], s, n),
    'to the host': (s, n) => from('up0', mac['up0 here'], s, n),
    'link-local at a port': (s, n) => here('va', lldp, s, n),
    'link-local from a port': (s, n) => from('va', lldp, s, n),
    'a pair with both ends here': (s, n) => here('p0', '02:00:00:00:99:98', s, n),
  }
}

/** Sends numbered packets from an ordinary UDP socket, so that they are routed like any program's traffic. */
async function overSocket(address: string, start: number, count: number): Promise<void> {
  const socket = createSocket('udp4')
  for (let i = start; i < start + count; i++) {
    const payload = Buffer.alloc(18)
    payload.write('RINGTAP\0', 'latin1')
    payload.writeBigUInt64BE(BigInt(i), 8)
    await new Promise((resolve) => socket.send(payload, 9, address, resolve))
  }
  socket.close()
}
