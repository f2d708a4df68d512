// Whose packets are, behind their lines.
import type { OwnerProcess, PacketOwners, SocketOwner } from '../index.js'
import { oneLine } from './terminal.js'

/** ` [curl(4711) > web/nginx(80),nginx(81)]`: the sender's processes and the receiver's; '' if both are unknown. */
export function ownersText({ source, destination }: PacketOwners): string {
  const [from, to] = [endText(source), endText(destination)]
  return from === '' && to === '' ? '' : ` [${from}${from && ' '}>${to && ' '}${to}]`
}

function endText({ processes, unknown }: SocketOwner): string {
  // No socket: the usual case of an end on another host. The others say that there is an owner.
  if (unknown !== undefined) return unknown === 'no-socket' || unknown === 'not-yet' ? '' : '?'
  return processes.map(processText).join(',')
}

/** Whose an end is, for a row: its processes, or that they are hidden; `undefined` if there is no socket. */
export function ownerLabel({ processes, unknown }: SocketOwner): string | undefined {
  if (unknown === 'no-socket') return undefined
  return unknown === undefined ? processes.map(processText).join(', ') : 'not known'
}

function processText({ pid, name, container }: OwnerProcess): string {
  const place = container && (container.pod?.name ?? container.name ?? container.id.slice(0, 12))
  return oneLine(`${place === undefined ? '' : `${place}/`}${name}(${pid})`)
}

/** The same for JSON: without what is `undefined` or empty. */
export function ownersJson({ source, destination }: PacketOwners): object {
  return { source: endJson(source), destination: endJson(destination) }
}

function endJson({ processes, by, unknown, netns }: SocketOwner): object {
  if (unknown !== undefined) return { unknown }
  return {
    by,
    netns,
    processes: processes.map(({ pid, name, command, uid, user, container }) => ({
      pid,
      name,
      ...(command.length > 0 && { command }),
      uid,
      user,
      container,
    })),
  }
}
