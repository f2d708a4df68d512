import { checkGroup, checkInteger, checkWord, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import type { OwnerProcess, PacketOwners } from './socket-owner.js'

/** A text to equal, or a pattern to search for. */
export type OwnerPattern = string | RegExp

/** What the owner of a packet must be; everything that is given must hold for one process. */
export interface OwnerFilter {
  /** The name of the command. */
  readonly name?: OwnerPattern | undefined
  /** The command line, its words joined by blanks. */
  readonly command?: OwnerPattern | undefined
  /** The number of the process. */
  readonly pid?: number | undefined
  /** The user's name, or the number as text. */
  readonly user?: OwnerPattern | undefined
  /** The name or the id of the container. */
  readonly container?: OwnerPattern | undefined
  /** The name of the pod. */
  readonly pod?: OwnerPattern | undefined
  /** The namespace of Kubernetes. */
  readonly namespace?: OwnerPattern | undefined
  /** Of which end. Default `'either'`. */
  readonly end?: 'source' | 'destination' | 'either' | undefined
}

const patterns = ['name', 'command', 'user', 'container', 'pod', 'namespace'] as const

/**
 * A function that tells whether the owners of a packet pass a filter.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function ownerTest(given: OwnerFilter): (owners: PacketOwners) => boolean {
  const filter = checkGroup(given, 'filter', [...patterns, 'pid', 'end'])
  const end = checkWord(orElse(filter.end, 'either'), 'filter.end', ['source', 'destination', 'either'])
  if (filter.pid !== undefined) checkInteger(filter.pid, 'filter.pid', 1, 2 ** 31 - 1)
  for (const key of patterns) {
    const pattern = filter[key]
    if (pattern !== undefined && typeof pattern !== 'string' && !(pattern instanceof RegExp)) {
      throw optionError(`filter.${key}`, 'a string or a RegExp', pattern)
    }
  }
  const passes = (process: OwnerProcess) => passesAll(process, filter)
  return ({ source, destination }) =>
    (end !== 'destination' && source.processes.some(passes)) || (end !== 'source' && destination.processes.some(passes))
}

function passesAll({ name, command, pid, uid, user, container }: OwnerProcess, filter: OwnerFilter): boolean {
  return (
    (filter.pid === undefined || filter.pid === pid) &&
    passesOne(filter.name, name) &&
    passesOne(filter.command, command.join(' ')) &&
    passesOne(filter.user, user, uid?.toString()) &&
    passesOne(filter.container, container?.name, container?.id) &&
    passesOne(filter.pod, container?.pod?.name) &&
    passesOne(filter.namespace, container?.pod?.namespace)
  )
}

function passesOne(pattern: OwnerPattern | undefined, ...texts: (string | undefined)[]): boolean {
  if (pattern === undefined) return true
  // search(), because test() of a global pattern begins where the last match ended.
  return texts.some(
    (text) => text !== undefined && (typeof pattern === 'string' ? text === pattern : text.search(pattern) >= 0),
  )
}
