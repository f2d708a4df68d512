// Savefiles for the benchmarks.
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { options } from '../support/options.js'

/** A savefile. */
export interface Made {
  path: string
  packets: number
  bytes: number
}

/** Creates a file of at most `--size` bytes that repeats the same second of packets, each of `length` bytes. */
export function make(path: string, { pcapng, length }: { pcapng: boolean; length: number }): Made {
  const count = 4096
  const batch = Buffer.concat(Array.from({ length: count }, (_, number) => record(pcapng, length, number)))
  const file = openSync(path, 'w')
  try {
    let written = writeSync(file, pcapng ? pcapngStart() : pcapStart())
    let packets = 0
    for (; written + batch.length <= options.size; packets += count) written += writeSync(file, batch)
    return { path, packets, bytes: packets * length }
  } finally {
    closeSync(file)
  }
}

function pcapStart(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262144, 16)
  header.writeUInt32LE(1, 20)
  return header
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) buffer.writeUInt32LE(value >>> 0, i * 4)
  return buffer
}

function pcapngStart(): Buffer {
  const section = words(0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28)
  return Buffer.concat([section, words(1, 20, 1, 262144, 20)])
}

function record(pcapng: boolean, length: number, number: number): Buffer {
  // An Ethernet frame with IPv4 and UDP headers, complete as far as the readers parse it.
  const data = Buffer.alloc(length, number)
  Buffer.from('020000000002020000000001080045000000000000004011000000000000', 'hex').copy(data)
  const microseconds = number * 244
  if (!pcapng) return Buffer.concat([words(1_700_000_000, microseconds, length, length), data])
  const time = 1_700_000_000_000_000n + BigInt(microseconds)
  const total = 32 + length
  return Buffer.concat([
    words(6, total, 0, Number(time >> 32n), Number(time & 0xffff_ffffn), length, length),
    data,
    words(total),
  ])
}

/** Loads the file into the page cache, so that every reader reads from there. */
export function warm(path: string): void {
  const file = openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(1 << 20)
  while (readSync(file, buffer) > 0);
  closeSync(file)
}

/** The number of packets in a file, counted by capinfos (of the same project as dumpcap). */
export function packetsIn(file: string): number {
  const { stdout } = spawnSync('capinfos', ['-c', '-M', file], { encoding: 'utf8' })
  return Number(/Number of packets: +(\d+)/.exec(stdout)?.[1] ?? Number.NaN)
}
