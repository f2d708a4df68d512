/** Batches as a sensor makes them. */
import { randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { openFile, Packet, SavefileWriter } from 'ringtap'
import type { BatchToStore } from '../../../src/collector/store/store.js'
import { type BatchHead, noLosses, toQuery } from '../../../src/wire/batch-head.js'
import type { SignedHead } from '../../../src/wire/headers.js'
import type { Identity } from '../../../src/wire/identity.js'
import { digestOf, type RequestHead, signRequest } from '../../../src/wire/signature.js'

export const key = 'a-key-that-is-long-enough'
export const boot = '0123456789abcdef'

export interface PacketToMake {
  readonly time: bigint
  /** Default `eth0`. */
  readonly interface?: string
  readonly bytes?: Uint8Array
}

/** A savefile of these packets. */
export async function savefileOf(packets: readonly PacketToMake[]): Promise<Buffer> {
  const stream = new PassThrough()
  const bytes = buffer(stream)
  const writer = new SavefileWriter(stream)
  await writer.write(
    packets.map(({ time, bytes = randomBytes(60), interface: name = 'eth0' }) =>
      Packet.from(bytes, { timestamp: time, interface: name }),
    ),
  )
  await writer.close()
  return bytes
}

export interface BatchToMake extends Partial<Identity> {
  /** Or times of packets. */
  readonly packets: readonly (PacketToMake | bigint)[]
  readonly encoding?: BatchHead['encoding']
  readonly lost?: Partial<BatchHead['lost']>
}

/** A batch, of sensor `node-1`, boot {@link boot} and sequence 0 by default. */
export async function makeBatch(given: BatchToMake): Promise<BatchToStore> {
  const { sensor = 'node-1', sequence = 0, encoding = 'gzip' } = given
  const packets = given.packets.map((packet) => (typeof packet === 'bigint' ? { time: packet } : packet))
  const plain = await savefileOf(packets)
  const bytes = encoding === 'identity' ? plain : encoding === 'gzip' ? gzipSync(plain) : await zstd(plain)
  const times = packets.map(({ time }) => time).sort((a, b) => (a < b ? -1 : 1))
  const head = {
    packets: packets.length,
    encoding,
    first: times[0] ?? 0n,
    last: times.at(-1) ?? 0n,
    lost: { ...noLosses(), ...given.lost },
  }
  return { sensor, boot: given.boot ?? boot, sequence, head, bytes, digest: digestOf(bytes) }
}

/** The signed head of a request that brings a batch over HTTP. */
export function signBatch(batch: BatchToStore, changes: Partial<RequestHead> = {}, withKey = key): SignedHead {
  const { sensor, boot, sequence, digest } = batch
  const head = {
    method: 'POST',
    path: `/v1/batches?${toQuery(batch.head)}`,
    time: Date.now(),
    nonce: randomBytes(16).toString('hex'),
    ...{ sensor, boot, sequence },
    ...changes,
  }
  return { ...head, digest, signature: signRequest(Buffer.from(withKey), head, digest) }
}

/** The times of the packets in a savefile, in its order. */
export async function timesIn(file: string): Promise<bigint[]> {
  const times: bigint[] = []
  await using savefile = await openFile(file)
  for await (const packet of savefile.packets()) times.push(packet.timestamp)
  return times
}

async function zstd(plain: Buffer): Promise<Uint8Array> {
  const input = new PassThrough()
  input.end(plain)
  await using savefile = await openFile(input)
  for await (const chunk of savefile) return chunk.encode({ compress: 'zstd' })
  throw new Error('a savefile without packets cannot be encoded so')
}
