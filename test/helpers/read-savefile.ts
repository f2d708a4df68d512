// Reads savefiles to their end.
import { type CaptureError, openFile, type Packet, type Savefile, type SavefileOptions } from 'ringtap'
import { hex } from './hex.js'

export interface Read {
  packets: Packet[]
  error: CaptureError | undefined
  file: Savefile
}

/** Copies of all packets, and the error that ended the loop, if any. */
export async function read(file: Savefile): Promise<Read> {
  const packets: Packet[] = []
  try {
    for await (const chunk of file) for (const packet of chunk) packets.push(packet.copy())
  } catch (error) {
    return { packets, error: error as CaptureError, file }
  }
  return { packets, error: undefined, file }
}

export async function readAll(source: Parameters<typeof openFile>[0], options?: SavefileOptions): Promise<Read> {
  return await read(await openFile(source, options))
}

export const texts = (packets: readonly Packet[]) => packets.map(({ data }) => hex(data))

export const hexes = (packets: readonly { data: Uint8Array }[]) => packets.map(({ data }) => hex(data))
