import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { assertInside } from './namespace.js'
import { commandIn } from './tools.js'

export { addNamespace, type HeldNamespace, netnsPath } from './held-namespace.js'

/** pid of a process in the network namespace in which an `ip` command runs. Default: this process's own namespace. */
export interface Where {
  namespace?: number | undefined
}

function run(args: readonly string[], { namespace }: Where, input?: string): string {
  assertInside()
  const [command, rest] = commandIn(namespace, 'ip', args)
  const { status, stdout, stderr, error } = spawnSync(command, rest, {
    encoding: 'utf8',
    env: witnessEnvironment(),
    maxBuffer: 64 << 20,
    ...(input !== undefined && { input }),
  })
  if (error) throw new Error(`${command} cannot be run: ${error.message} (the live tests need iproute2)`)
  if (status !== 0)
    throw new Error(`"${[command, ...rest].join(' ')}" failed: ${stderr.trim() || `exit code ${status}`}`)
  return stdout
}

/**
 * Runs `ip` with these arguments and returns its output.
 *
 * @throws Error with the command and its error output.
 */
export function ip(...args: string[]): string {
  return run(args, {})
}

/** Like {@link ip}, in another namespace. */
export function ipIn(namespace: number, ...args: string[]): string {
  return run(args, { namespace })
}

/**
 * Runs many `ip` commands (`link add …`, one per line) in one process: makes hundreds of interfaces in a fraction of
 * a second.
 *
 * @throws Error with the error output of `ip`, which names the line; the lines before it have taken effect.
 */
export function ipBatch(lines: readonly string[], where: Where = {}): void {
  run(['-batch', '-'], where, `${lines.join('\n')}\n`)
}

export interface VethOptions {
  /** pid of a process in the network namespace to move the peer to. */
  peerNamespace?: number | undefined
  /** Set both ends up. Default true. */
  up?: boolean
  /** MAC of the first end. Default: chosen by the kernel. */
  address?: string
  peerAddress?: string
  mtu?: number
}

/** The commands {@link addVeth} runs in this namespace (not those in the peer's namespace), for {@link ipBatch}. */
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

/** Makes a veth pair: a packet sent on one end is received on the other. */
export function addVeth(name: string, peer: string, options: VethOptions = {}): void {
  ipBatch(vethCommands(name, peer, options))
  if (options.peerNamespace !== undefined && options.up !== false) up([peer], { namespace: options.peerNamespace })
}

/**
 * Makes `count` veth pairs: `${prefix}0` with peer `${peerPrefix}0` and so on.
 *
 * @returns the names, by index
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

/** Makes a bridge with these interfaces as ports and sets it up. It sends no packets of its own. */
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

/** Removes interfaces. Removing one end of a veth pair removes its peer: name one end only. */
export function del(names: string | readonly string[], where: Where = {}): void {
  ipBatch(
    [names].flat().map((name) => `link del dev ${name}`),
    where,
  )
}

/** Renames an interface, up or down (before Linux 6.3 only a down interface can be renamed). */
export function rename(from: string, to: string, where: Where = {}): void {
  ipBatch([`link set dev ${from} name ${to}`], where)
}

/** Moves an interface to the network namespace of the process with this pid. It is down after the move. */
export function moveTo(namespace: number, name: string, where: Where = {}): void {
  ipBatch([`link set dev ${name} netns ${namespace}`], where)
}

/** The fields of `ip -json -details -statistics link show` that the tests use, for one interface. */
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
 * Returns one interface.
 *
 * @throws Error if there is no interface of that name.
 */
export function link(name: string, where: Where = {}): Link {
  const [found] = JSON.parse(run(['-json', '-details', '-statistics', 'link', 'show', 'dev', name], where)) as Link[]
  if (!found) throw new Error(`ip shows no interface ${name}`)
  return found
}

/** Writes a sysctl of this network namespace (`net/ipv4/…`). Settings outside the namespace cannot be written. */
export function sysctl(path: `net/${string}`, value: string | number): void {
  assertInside()
  writeFileSync(`/proc/sys/${path}`, String(value))
}
