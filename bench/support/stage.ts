import { inNamespace, isInside } from '../../test/live/support/namespace.js'
import { addNamespace, addVeth, up } from '../../test/live/support/network.js'
import { canInject, type Sent, send } from '../../test/live/support/send.js'
import type { Who } from './consumer-process.js'
import { options } from './options.js'
import { loadPeer } from './peers.js'
import { buildSender, builtTool } from './tools.js'

/** A row of the tables: a consumer's name and its process. */
export interface Contestant {
  name: string
  who: Who
  /** Why it is missing. */
  missing?: string | undefined
}

/** All consumers of the comparison, including peers that could not be installed. */
export function contestants(): Contestant[] {
  const peer = (name: 'pcap' | 'cap', visit: 'lengths' | 'fields', work: string): Contestant => {
    const { version, missing } = loadPeer(name)
    return { name: `${name} ${version}, ${work}`, who: { spec: { who: name, visit } }, missing }
  }
  const all = [
    { name: 'C loop, lengths', who: { loop: 'lengths' } },
    { name: 'ringtap forEach, lengths', who: { spec: { who: 'ringtap', visit: 'lengths' } } },
    peer('pcap', 'lengths', 'lengths'),
    peer('cap', 'lengths', 'lengths'),
    { name: 'C loop, byte + time + interface', who: { loop: 'fields' } },
    { name: 'ringtap for…of, byte + time + interface', who: { spec: { who: 'ringtap', visit: 'fields' } } },
    peer('pcap', 'fields', 'byte + time'),
  ] satisfies Contestant[]
  return all.filter(({ name }) => name.includes(options.only))
}

/**
 * Builds and installs the prerequisites and resolves inside a network namespace of the benchmark: the first statement
 * of every part that captures. Outside such a namespace, restarts the part inside one and never resolves.
 */
export async function enterStage(url: string): Promise<void> {
  if (!isInside()) {
    buildSender()
    builtTool('c_loop')
    builtTool('filter_cost')
    // Install the peers now: the namespace has no access to the registry.
    loadPeer('pcap')
    loadPeer('cap')
  }
  await inNamespace(url)
}

/**
 * A veth pair: the capture runs on the near end, in this namespace; frames are sent into the far end, in another
 * namespace.
 */
export interface Wire {
  near: string
  /**
   * Sends frames (64 bytes by default) into the far end; resolves to what was sent and the number of frames received at
   * the near end.
   */
  send(count: number, rate: number, size?: number): Promise<Sent & { arrived: number }>
  /**
   * Makes the near end receive frames, as many per second as `rate` says (0: at the highest rate of this machine):
   * through the kernel's XDP test run if permitted (root in the initial user namespace), on processor
   * {@link senderProcessor}; otherwise as {@link send} does.
   */
  flood(count: number, size: number, rate?: number): Promise<Sent & { arrived: number }>
}

/** The processor that {@link Wire.flood} sends on, and on which the interface receives. */
export const senderProcessor = 0

export async function addWire(): Promise<Wire> {
  const { pid } = await addNamespace()
  addVeth('near', 'far', { peerNamespace: pid })
  up('near')
  const injects = canInject()
  const wire: Wire = {
    near: 'near',
    async send(count, rate, size = 64) {
      const sent = await send({ interface: 'far', count, rate, size, namespace: pid, mayDrop: true })
      return { ...sent, arrived: sent.sent - sent.dropped }
    },
    async flood(count, size, rate = 0) {
      if (!injects) return wire.send(count, rate, size)
      const sent = await send({ interface: 'near', count, size, rate, inject: true, cpu: senderProcessor })
      return { ...sent, arrived: sent.sent }
    },
  }
  return wire
}
