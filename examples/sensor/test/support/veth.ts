import { spawnSync } from 'node:child_process'

/** Runs ip(8). */
export function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}

/** Makes a veth pair, both ends up: what is sent on one is received on the other. */
export function addVeth(name: string, peer: string): void {
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', peer)
  ip('link', 'set', peer, 'up')
  ip('link', 'set', name, 'up')
}
