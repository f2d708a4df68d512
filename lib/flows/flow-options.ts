import { checkCallback, checkGroup, checkInteger, checkList, checkWord, orElse } from '../arguments.js'
import type { DissectorOptions } from '../dissect/dissector.js'
import type { Flow } from './flow.js'

/** What tells flows apart besides addresses, ports and protocol. */
export type FlowKeyPart = 'interface' | 'vlan' | 'tunnel'

/** Options of a {@link FlowTable}. All are optional. */
export interface FlowTableOptions {
  /**
   * The most flows at a time, 1 to 16777216. When there is no room, the flow that would end next is ended as `'evicted'`
   * and counted. A flow takes 290 bytes, and the memory grows with the number of flows; where the system refuses more of it,
   * the flows that it has room for are the most. Default 100000.
   */
  maxFlows?: number | undefined
  /** Milliseconds without a packet until a flow ends, by the packets' time. 1 to 86400000, default 60000. */
  idleTimeout?: number | undefined
  /**
   * Milliseconds after which a flow ends even though it has packets; its next packet begins another flow. 1 to 2^31,
   * default 1800000.
   */
  activeTimeout?: number | undefined
  /** Milliseconds for which a closed TCP connection waits for late packets. 0 to 86400000, default 5000. */
  closeTimeout?: number | undefined
  /**
   * What tells flows apart besides addresses, ports and protocol. Interfaces are the same if index, generation and name are.
   * Default: nothing.
   */
  key?: readonly FlowKeyPart[] | undefined
  /** As in {@link DissectorOptions}: flows are those of the innermost packets then. Default: none. */
  tunnels?: DissectorOptions['tunnels'] | undefined
  /**
   * Called with each flow that has ended, before the call that ended it returns; of flows that end while it runs, when it
   * has returned. Without it, they wait to be taken.
   */
  onEnd?: ((flow: Flow) => void) | undefined
  /**
   * The most ended flows that wait to be taken; the oldest are dropped and counted. Those that {@link FlowTable.end} ends all
   * wait, besides. 1 to 16777216, default 10000.
   */
  maxWaiting?: number | undefined
}

const optionNames = [
  'maxFlows',
  'idleTimeout',
  'activeTimeout',
  'closeTimeout',
  'key',
  'tunnels',
  'onEnd',
  'maxWaiting',
] as const
const keyParts = ['interface', 'vlan', 'tunnel'] as const
const day = 86_400_000
/** @internal */
export const flowLimit = 2 ** 24

/** The options of a table, checked. @internal */
export interface FlowSettings {
  maxFlows: number
  idleTimeout: number
  activeTimeout: number
  closeTimeout: number
  maxWaiting: number
  /** The longest that a flow waits for packets. */
  span: number
  /** Whether one of the following is true. */
  divided: boolean
  byInterface: boolean
  byVlan: boolean
  byTunnel: boolean
  tunnels: DissectorOptions['tunnels'] | undefined
  onEnd: ((flow: Flow) => void) | undefined
}

/** @internal */
export function checkFlowOptions(options: FlowTableOptions | undefined): FlowSettings {
  const given = checkGroup<FlowTableOptions>(options, 'options', optionNames)
  const number = (name: keyof FlowTableOptions & string, fallback: number, low: number, high: number, unit = '') =>
    checkInteger(orElse(given[name], fallback), name, low, high, unit)
  const parts = given.key === undefined ? [] : checkList(given.key, 'key', `a list of ${keyParts.join(', ')}`, 16)
  const chosen = new Set(parts.map((part, i) => checkWord(part, `key[${i}]`, keyParts)))
  const idleTimeout = number('idleTimeout', 60_000, 1, day, 'milliseconds')
  const closeTimeout = number('closeTimeout', 5000, 0, day, 'milliseconds')
  return {
    maxFlows: number('maxFlows', 100_000, 1, flowLimit),
    idleTimeout,
    activeTimeout: number('activeTimeout', 1_800_000, 1, 2 ** 31, 'milliseconds'),
    closeTimeout,
    span: Math.max(idleTimeout, closeTimeout),
    maxWaiting: number('maxWaiting', 10_000, 1, flowLimit),
    divided: chosen.size > 0,
    byInterface: chosen.has('interface'),
    byVlan: chosen.has('vlan'),
    byTunnel: chosen.has('tunnel'),
    tunnels: given.tunnels,
    onEnd: checkCallback(given.onEnd, 'onEnd'),
  }
}
