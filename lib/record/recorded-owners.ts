import { checkBoolean, orElse } from '../arguments.js'
import { CaptureError } from '../errors.js'
import type { OwnerWatchHandle } from '../owners/native.js'
import type { SocketOwners } from '../owners/socket-owners.js'

/** An option of all that writes the packets of a capture. */
export interface OwnersOption {
  /**
   * Write whose the packets are, as far as it is known: `curl(4711) > nginx(80)` as a comment on each packet, and the process
   * that sent it as `epb_processid_threadid`. Needs a capture that was opened with {@link CaptureOptions.owners}, and pcapng.
   *
   * The name of each process has its pid, and in front of it the container's id (12 digits): `3f2504e04f89/nginx(80)`. Both ends
   * are named if both are local. What is not known is left out, and so is everything after `capture.owners.close()`. A packet
   * whose owners may be known a moment later is written then, at most a second after it was received. Default false.
   */
  owners?: boolean | undefined
}

/** @throws CaptureError `ERR_OPTION`. @internal */
export function checkOwners({ owners }: OwnersOption, format: 'pcapng' | 'pcap' | undefined): boolean {
  const wanted = checkBoolean(orElse(owners, false), 'owners')
  if (wanted && format === 'pcap') {
    throw new CaptureError('ERR_OPTION', "owners needs format 'pcapng': pcap has no place for them", {
      option: 'owners',
    })
  }
  return wanted
}

/**
 * What native code takes in place of the option.
 *
 * @throws CaptureError `ERR_OPTION` if the capture was opened without owners; `ERR_CLOSED` if these are closed.
 * @internal
 */
export function ownersHandle(wanted: boolean, owners: SocketOwners | undefined): OwnerWatchHandle | undefined {
  if (!wanted) return undefined
  if (owners) return owners._handle()
  throw new CaptureError('ERR_OPTION', 'owners needs a capture that was opened with owners: true', { option: 'owners' })
}
