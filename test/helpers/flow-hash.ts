/** One end of a flow. */
export interface FlowEnd {
  /** The bytes of its address: 4 or 16. */
  readonly address: Uint8Array
  /** 0 if the packet has no ports, or is a fragment. */
  readonly port: number
}

/** The hash by which flows are sampled, as docs/guides/sampling.md specifies it: an implementation of its own. */
export function flowHash(source: FlowEnd, destination: FlowEnd, protocol: number, seed = 0): number {
  const step = (hash: number, word: number) => {
    const mixed = Math.imul(hash ^ word, 0x9e3779b1) >>> 0
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  const end = ({ address, port }: FlowEnd) => {
    const view = new DataView(address.buffer, address.byteOffset, address.length)
    let hash = seed
    for (let at = 0; at < address.length; at += 4) hash = step(hash, view.getUint32(at))
    return step(hash, port)
  }
  let hash = step((end(source) + end(destination)) >>> 0, protocol)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Whether a flow with this hash is captured. */
export const isSampled = (hash: number, share: number) => hash < Math.round(share * 2 ** 32)
