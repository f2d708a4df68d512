// One trial of bench/packets/hexdump.ts in its own process: prints megabytes (10^6 bytes of data) per second.
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { hexdump } from 'ringtap'
import { loadPeer } from '../support/peers.js'
import { trialArgument } from '../support/trial.js'

/** The trial's parameters: the dumper, the number of bytes, and one call for all of them or one per packet. */
export interface HexdumpTrial {
  dumper: 'ringtap' | 'hexdump -C' | 'hexer' | 'hexy'
  /** A file of random bytes. */
  file: string
  /** Bytes of each packet; 0 dumps the whole file in one call and writes the result to /dev/null. */
  packet: number
}

export type Dump = (data: Buffer) => string

/** Returns a dumper that runs in this process: the library or a peer. */
export function dumper(name: HexdumpTrial['dumper']): Dump {
  if (name === 'ringtap') return (data) => hexdump(data)
  const peer = loadPeer<Dump & { hexy?: Dump }>(name)
  if (peer.missing !== undefined) throw new Error(peer.missing)
  return peer.module.hexy ?? peer.module
}

function seconds(work: () => void): number {
  const start = performance.now()
  work()
  return (performance.now() - start) / 1000
}

function measure({ dumper: name, file, packet }: HexdumpTrial): number {
  const sink = openSync('/dev/null', 'w')
  const data = readFileSync(file)
  const megabytes = data.length / 1e6
  if (name === 'hexdump -C') {
    const time = seconds(() => {
      const run = spawnSync('hexdump', ['-C', file], { stdio: ['ignore', sink, 'inherit'] })
      if (run.error) throw run.error
      if (run.status !== 0) throw new Error(`hexdump: exit code ${run.status}`)
    })
    return megabytes / time
  }

  // A capture detaches the buffers of released chunks. After the first detached buffer in a process, V8 checks every
  // access to any buffer: detach one here, to measure under the conditions of a capturing program.
  const detached = new ArrayBuffer(8)
  structuredClone(detached, { transfer: [detached] })

  const dump = dumper(name)
  if (packet === 0) {
    for (let i = 0; i < 200; i++) dump(data.subarray(i * 1500, (i + 1) * 1500))
    const time = seconds(() => {
      const bytes = Buffer.from(dump(data), 'latin1')
      for (let at = 0; at < bytes.length; ) at += writeSync(sink, bytes, at)
    })
    closeSync(sink)
    return megabytes / time
  }
  const packets: Buffer[] = []
  for (let i = 0; i < 256; i++) packets.push(data.subarray(i * packet, (i + 1) * packet))
  let characters = 0
  const round = () => {
    for (const one of packets) characters += dump(one).length
  }
  for (let warm = 0; warm < 0.5; ) warm += seconds(round)
  let rounds = 0
  let time = 0
  for (; time < 1; rounds++) time += seconds(round)
  if (characters < packet) throw new Error('nothing was dumped')
  return (rounds * packets.length * packet) / 1e6 / time
}

const trial = trialArgument<HexdumpTrial | null>()
if (trial !== null) console.log(JSON.stringify(measure(trial)))
