import type { InterfaceResolver } from '../packets/chunk-memory.js'
import type { NativeCapture, NativeInterfaceAt } from './native.js'

/**
 * By index: the interfaces of the packets of one block, or of several to which the same applies. See
 * {@link NativeCapture.interfacesAt}.
 *
 * @internal
 */
export type KnownInterfaces = Map<number, readonly NativeInterfaceAt[]>

/**
 * Looks up the interfaces of the packets of one block. The addon is called once per interface index; timestamps are
 * compared only if the interface changed while the block was in the ring. The packets of a block have no more than an
 * index; the addon's book of interfaces assigns it to a device, by the epoch of the block.
 *
 * @param known what was looked up before, for this block or another to which the same applies.
 * @internal
 */
export function chunkInterfaces(
  native: Pick<NativeCapture, 'interfacesAt'>,
  known: KnownInterfaces,
  epoch: number,
  ring: number,
  number: number,
): InterfaceResolver {
  return (index, timestamp) => {
    let candidates = known.get(index)
    if (!candidates) {
      candidates = native.interfacesAt(index, epoch, ring, number)
      known.set(index, candidates)
    }
    const last = candidates.at(-1) as NativeInterfaceAt
    if (candidates.length === 1) return last.interface
    return (candidates.find(({ since }) => timestamp > since) ?? last).interface
  }
}
