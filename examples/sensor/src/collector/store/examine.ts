/** What a stored file says about itself. */
import { openFile } from 'ringtap'

export interface FileContents {
  readonly packets: number
  /** Nanoseconds since 1970-01-01 UTC; 0 without packets. */
  readonly first: bigint
  readonly last: bigint
}

/** @throws CaptureError if the file is damaged */
export async function examine(file: string): Promise<FileContents> {
  await using savefile = await openFile(file)
  let packets = 0
  let first = 0n
  let last = 0n
  for await (const chunk of savefile) {
    packets += chunk.packetCount
    // Not firstTimestamp and lastTimestamp: packets of several rings need not be in order.
    chunk.forEach(({ timestamp }) => {
      if (first === 0n || timestamp < first) first = timestamp
      if (timestamp > last) last = timestamp
    })
  }
  return { packets, first, last }
}
