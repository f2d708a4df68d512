// One trial of bench/savefile/read.ts in Node, in its own process: prints what it read, how fast, and its peak resident
// memory.
import { createReadStream } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { openFile } from 'ringtap'
import { loadPeer } from '../support/peers.js'
import { trialArgument } from '../support/trial.js'

export interface ReadTrial {
  reader: 'forEach' | 'for…of' | 'pcap' | 'pcap-parser' | 'pcap-ng-parser'
  file: string
}

export interface Reading {
  packets: number
  bytes: number
  seconds: number
  /** Peak resident memory, bytes. */
  memory: number
}

interface Sum {
  packets: number
  bytes: number
}

const readers: Record<ReadTrial['reader'], (file: string, sum: Sum) => Promise<void>> = {
  async forEach(path, sum) {
    for await (const chunk of await openFile(path)) {
      let bytes = 0
      chunk.forEach((packet) => {
        bytes += packet.capturedLength
      })
      sum.bytes += bytes
      sum.packets += chunk.packetCount
    }
  },

  async 'for…of'(path, sum) {
    let check = 0
    for await (const chunk of await openFile(path)) {
      for (const packet of chunk) {
        const { data, timestamp } = packet
        sum.bytes += data.length
        check += (data[0] as number) + packet.interface.name.length + (timestamp > 0n ? 1 : 0)
      }
      sum.packets += chunk.packetCount
    }
    if (check === 0) throw new Error('nothing was looked at')
  },

  async pcap(path, sum) {
    const pcap = present<{
      createOfflineSession(
        path: string,
        options: object,
      ): { on(event: string, listener: (packet: { header: Buffer }) => void): void }
    }>('pcap')
    await new Promise<void>((resolve) => {
      const session = pcap.createOfflineSession(path, { filter: '' })
      session.on('packet', ({ header }) => {
        sum.packets++
        sum.bytes += header.readUInt32LE(8)
      })
      session.on('complete', () => resolve())
    })
  },

  async 'pcap-parser'(path, sum) {
    const { parse } = present<{ parse(path: string): NodeJS.EventEmitter }>('pcap-parser')
    await new Promise<void>((resolve, reject) => {
      parse(path)
        .on('packet', ({ header }: { header: { capturedLength: number } }) => {
          sum.packets++
          sum.bytes += header.capturedLength
        })
        .on('end', () => resolve())
        .on('error', reject)
    })
  },

  async 'pcap-ng-parser'(path, sum) {
    const Parser = present<new () => NodeJS.ReadWriteStream>('pcap-ng-parser')
    await new Promise<void>((resolve, reject) => {
      const parser = new Parser()
      createReadStream(path).pipe(parser)
      parser
        .on('data', ({ data }: { data: Buffer }) => {
          sum.packets++
          sum.bytes += data.length
        })
        .on('finish', () => resolve())
        .on('error', reject)
    })
  },
}

function present<T>(name: string): T {
  const peer = loadPeer<T & { default?: T }>(name)
  if (peer.missing !== undefined) throw new Error(peer.missing)
  return peer.module.default ?? peer.module
}

const trial = trialArgument<ReadTrial | null>()
if (trial !== null) {
  const sum = { packets: 0, bytes: 0 }
  const start = performance.now()
  await readers[trial.reader](trial.file, sum)
  const seconds = (performance.now() - start) / 1000
  const memory = process.resourceUsage().maxRSS * 1024
  console.log(JSON.stringify({ ...sum, seconds, memory } satisfies Reading))
}
