// What is in a collector's store, counted from its files.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { openFile, type Packet } from 'ringtap'

/** The stored files, those of one sensor or of all. */
export function storedFiles(store: string): string[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^\w.*\.pcapng(\.zst|\.gz)?$/.test(name))
    .sort()
    .map((name) => path.join(store, name))
}

/** Calls `visit` for every stored packet; resolves to their number. */
export async function eachStored(store: string, visit: (packet: Packet) => void = () => {}): Promise<number> {
  let packets = 0
  for (const name of storedFiles(store)) {
    await using file = await openFile(name)
    for await (const chunk of file) {
      packets += chunk.packetCount
      chunk.forEach(visit)
    }
  }
  return packets
}
