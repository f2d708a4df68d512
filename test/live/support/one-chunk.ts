import type { Capture, Chunk } from 'ringtap'
import { type SendOptions, sendSync } from './send.js'

const attempts = 20

/**
 * Sends numbered frames on eth0 and returns one chunk that holds all of them. The kernel retires a block when its
 * timeout expires, which may be between two of the frames; in that case the chunk is discarded and the frames are
 * sent again.
 *
 * @throws Error if the frames never arrive in one chunk
 */
export async function oneChunk(capture: Capture, count: number, frame: Pick<SendOptions, 'size'> = {}): Promise<Chunk> {
  for (let i = 0; i < attempts; i++) {
    sendSync({ interface: 'eth0', count, ...frame })
    for (let got = 0; got < count; ) {
      // A new iterator for each chunk: an iterator releases its chunk when next() is called again.
      const { value, done } = await capture[Symbol.asyncIterator]().next()
      if (done) throw new Error('the capture has ended')
      if (value.packetCount === count) return value
      got += value.packetCount
      value.release()
    }
  }
  throw new Error(`${count} frames never came in one chunk`)
}
