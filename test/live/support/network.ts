import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { assertInside } from './namespace.js'
import { commandIn } from './tools.js'

export { addNamespace, type HeldNamespace, netnsPath } from './held-namespace.js'

/** Where an `ip` command runs: pid of a process in that network namespace. Default: this process's own. */
export interface Where {
  namespace?: number | undefined
}

function run(args: readonly string[], { namespace }: Where, input?: string): string {
  assertInside()
  const [command, rest] = commandIn(namespace, 'ip', args)
  const { status, stdout, stderr, error } = spawnSync(command, rest, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    ...(input !== undefined && { input }),
  })
  if (error) throw new Error(`${command} cannot be run: ${error.message} (the live tests need iproute2)`)
  if (status !== 0)
    throw new Error(`"${[command, ...rest].join(' ')}" failed: ${stderr.trim() || `exit code ${status}`}`)
  return stdout
}

/**
 * Runs `ip` with these arguments and returns what it printed.
 *
 * @throws Error with the command and its error output.
 */
export function ip(...args: string[]): string {
  return run(args, {})
}

/** As {@link ip}, in another namespace. */
export function ipIn(namespace: number, ...args: string[]): string {
  return run(args, { namespace })
}

/**
 * Many commands of `ip` in one process (`link add …`, one each): hundreds of interfaces in a fraction of a second.
 *
 * @throws Error with `ip`'s words, which name the line; the lines before it have been carried out.
 */
export function ipBatch(lines: readonly string[], where: Where = {}): void {
  run(['-batch', '-'], where, `${lines.join('\n')}\n`)
}

export interface VethOptions {
  /** pid of a process in the network namespace that gets the peer. */
  peerNamespace?: number | undefined
  /** Set both ends up. Default true. */
  up?: boolean
  /** MAC of the first end. Default: the kernel's choice. */
  address?: string
  peerAddress?: string
  mtu?: number
}

/** The commands that {@link addVeth} runs here (not those for a peer in another namespace), for {@link ipBatch}. */
export function vethCommands(name: string, peer: string, options: VethOptions = {}): string[] {
  const { peerNamespace, up: setUp = true, address, peerAddress, mtu } = options
  const end = (mac?: string) => (mac ? ` address ${mac}` : '') + (mtu ? ` mtu ${mtu}` : '')
  const lines = [
    `link add name ${name}${end(address)} type veth peer name ${peer}${end(peerAddress)}` +
      (peerNamespace === undefined ? '' : ` netns ${peerNamespace}`),
  ]
  if (setUp) {
    if (peerNamespace === undefined) lines.push(`link set dev ${peer} up`)
    lines.push(`link set dev ${name} up`)
  }
  return lines
}

/** Makes a pair of virtual Ethernet devices: what goes into one end comes out of the other. */
export function addVeth(name: string, peer: string, options: VethOptions = {}): void {
  ipBatch(vethCommands(name, peer, options))
  if (options.peerNamespace !== undefined && options.up !== false) up([peer], { namespace: options.peerNamespace })
}

/**
 * `count` pairs at once, `${prefix}0` with peer `${peerPrefix}0` and so on.
 *
 * @returns the names, index by index
 */
export function addVeths(
  count: number,
  prefix: string,
  peerPrefix: string,
  options: VethOptions = {},
): { name: string; peer: string }[] {
  const pairs = Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i}`, peer: `${peerPrefix}${i}` }))
  ipBatch(pairs.flatMap(({ name, peer }) => vethCommands(name, peer, options)))
  if (options.peerNamespace !== undefined && options.up !== false) {
    up(
      pairs.map(({ peer }) => peer),
      { namespace: options.peerNamespace },
    )
  }
  return pairs
}

/** Makes a bridge, up, with these interfaces as ports. It sends nothing of its own. */
export function addBridge(name: string, ports: readonly string[] = []): void {
  ipBatch([
    `link add name ${name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    ...ports.map((port) => `link set dev ${port} master ${name}`),
    `link set dev ${name} up`,
  ])
}

/** Sets interfaces up. */
export function up(names: string | readonly string[], where: Where = {}): void {
  ipBatch(
    [names].flat().map((name) => `link set dev ${name} up`),
    where,
  )
}

/** Sets interfaces down. */
export function down(names: string | readonly string[], where: Where = {}): void {
  ipBatch(
    [names].flat().map((name) => `link set dev ${name} down`),
    where,
  )
}

/** Removes interfaces (the peer of a veth goes with it: name one end only). */
export function del(names: string | readonly string[], where: Where = {}): void {
  ipBatch(
    [names].flat().map((name) => `link del dev ${name}`),
    where,
  )
}

/** Renames an interface, up or down (kernels before 6.3 refuse it while up). */
export function rename(from: string, to: string, where: Where = {}): void {
  ipBatch([`link set dev ${from} name ${to}`], where)
}

/** Moves an interface into the network namespace of the process with this pid. It arrives down. */
export function moveTo(namespace: number, name: string, where: Where = {}): void {
  ipBatch([`link set dev ${name} netns ${namespace}`], where)
}

/** What `ip -json -details -statistics link show` says about one interface (the fields the tests use). */
export interface Link {
  ifindex: number
  ifname: string
  flags: string[]
  mtu: number
  operstate: string
  address: string
  master?: string
  promiscuity: number
  link_netnsid?: number
  stats64: Record<'rx' | 'tx', { bytes: number; packets: number; errors: number; dropped: number }>
}

/** All interfaces of a namespace. */
export function links(where: Where = {}): Link[] {
  return JSON.parse(run(['-json', '-details', '-statistics', 'link', 'show'], where)) as Link[]
}

/**
 * One interface.
 *
 * @throws Error if there is none of that name.
 */
export function link(name: string, where: Where = {}): Link {
  const [found] = JSON.parse(run(['-json', '-details', '-statistics', 'link', 'show', 'dev', name], where)) as Link[]
  if (!found) throw new Error(`ip shows no interface ${name}`)
  return found
}

/** Writes a setting of this network namespace (`net/ipv4/…`), and nothing else of the machine. */
export function sysctl(path: `net/${string}`, value: string | number): void {
  assertInside()
  writeFileSync(`/proc/sys/${path}`, String(value))
}
