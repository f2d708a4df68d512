import { checkBoolean, checkGroup, checkInteger, checkWord, orElse } from '../arguments.js'
import { optionError } from '../errors.js'

/**
 * How a group distributes packets, named as in packet(7), PACKET_FANOUT_….
 *
 * - `'hash'`: by flow; both directions of a flow go to the same ring. IPv4 fragments go by their addresses alone, unless
 *   they are defragmented.
 * - `'lb'`: to one ring after the other.
 * - `'cpu'`: by the processor that receives or sends the packet.
 * - `'rollover'`: to one ring until it is full, then to the next.
 * - `'rnd'`: at random.
 * - `'qm'`: by the device's queue that the packet came from or goes to.
 */
export type RingGroupMode = 'hash' | 'lb' | 'cpu' | 'rollover' | 'rnd' | 'qm'

/**
 * A group of captures, in one program or in several (the workers of a cluster, the replicas of a sensor), that share the
 * traffic: each packet goes to one of them.
 *
 * All rings of all captures that give the same `id` in the same network namespace are members, at most 256; a capture
 * with `ring.count` is a member as often. All must give the same settings here. Any program with CAP_NET_RAW in the
 * namespace can join, and then takes its share.
 *
 * The kernel chooses the ring first and applies that member's filter afterwards: what one refuses, no other gets. Give
 * all members the same `interfaces`, `direction`, `filter` and address sets. Each counts in `stats()` what it received
 * itself; the sum over all members is the traffic. The losses ahead of the rings (`device`, `softnet`) are those of the
 * host, the same for each member.
 *
 * When a member joins or leaves, flows may go to another one than before. A packet that arrives in the microseconds in
 * which a capture opens may be delivered twice. One that leaves keeps its share until {@link Capture.close} has
 * resolved, from {@link Capture.stop} on without delivering it: close it soon after that. Packets in the ring of a
 * process that is killed are lost, and its share goes to the others.
 */
export interface RingGroup {
  /** The number of the group in the network namespace, 1 to 65535. */
  id: number
  /** Default `'hash'`. */
  mode?: RingGroupMode | undefined
  /**
   * A packet for a ring that is full goes to another one, so that nothing is lost while one has room; flows are then
   * divided. Always so with mode `'rollover'`, where it must not be given. Default false.
   */
  rollover?: boolean | undefined
  /**
   * The kernel puts the fragments of an IPv4 packet together before it chooses the ring: one ring gets the whole packet,
   * in place of its fragments. Default false.
   */
  defragment?: boolean | undefined
}

const modes = ['hash', 'lb', 'cpu', 'rollover', 'rnd', 'qm'] as const
/** PACKET_FANOUT_* and PACKET_FANOUT_FLAG_* of linux/if_packet.h. */
const types: Record<RingGroupMode, number> = { hash: 0, lb: 1, cpu: 2, rollover: 3, rnd: 4, qm: 5 }
const ROLLOVER = 0x1000
const DEFRAG = 0x8000

/** Checks `ring.group`; 0 for `groupId` if it is not given. @internal */
export function normaliseGroup(given: RingGroup | undefined): { groupId: number; groupType: number } {
  if (given === undefined) return { groupId: 0, groupType: 0 }
  const group = checkGroup(given, 'ring.group', ['id', 'mode', 'rollover', 'defragment'])
  const groupId = checkInteger(group.id, 'ring.group.id', 1, 65_535)
  const mode = checkWord(orElse(group.mode, 'hash'), 'ring.group.mode', modes)
  const rollover = checkBoolean(orElse(group.rollover, false), 'ring.group.rollover')
  const defragment = checkBoolean(orElse(group.defragment, false), 'ring.group.defragment')
  if (rollover && mode === 'rollover')
    throw optionError('ring.group.rollover', "left out with mode 'rollover'", rollover)
  return { groupId, groupType: types[mode] | (rollover ? ROLLOVER : 0) | (defragment ? DEFRAG : 0) }
}
