import type { Capture, Chunk } from 'ringtap'
import { type SendOptions, sendSync } from './send.js'

const attempts = 20

/**
 * Sends numbered frames out of eth0, and takes the one chunk that has all of them. The kernel hands a block over when
 * its time is up, which may be between two of the frames: then they are taken, and sent again.
 *
 * @throws Error where they never come in one chunk
 */
export async function oneChunk(capture: Capture, count: number, frame: Pick<SendOptions, 'size'> = {}): Promise<Chunk> {
  for (let i = 0; i < attempts; i++) {
    sendSync({ interface: 'eth0', count, ...frame })
    for (let got = 0; got < count; ) {
      // Each chunk has an iterator of its own, which would give it back when it is asked for the next one.
      const { value, done } = await capture[Symbol.asyncIterator]().next()
      if (done) throw new Error('the capture has ended')
      if (value.packetCount === count) return value
      got += value.packetCount
      value.release()
    }
  }
  throw new Error(`${count} frames never came in one chunk`)
}
