import { setTimeout as sleep } from 'node:timers/promises'
import { Capture, type CaptureStats, type RingOptions } from 'ringtap'
import { type AddressSpec, addressList } from './address-list.js'
import { loadPeer } from './peers.js'

/** The library that reads, and its work per packet. */
export interface ConsumerSpec {
  who: 'ringtap' | 'pcap' | 'cap'
  /**
   * `lengths`: add up the captured lengths; with ringtap in `forEach`.
   * `fields`: read the first byte, the time and, if reported, the interface; with ringtap in `for…of`.
   */
  visit: 'lengths' | 'fields'
  interfaces: string[]
  /** ringtap only: addresses whose packets are not captured. Default: none. */
  addresses?: AddressSpec | undefined
  /** ringtap only: how many rings, and where. Default: one, anywhere. */
  ring?: Pick<RingOptions, 'count' | 'cpus' | 'mode'> | undefined
  /** Milliseconds until a partly filled block is handed over. */
  retire: number
}

/** The same settings for all consumers, as far as the peers support them. */
export const settings = {
  memory: 64 * 2 ** 20,
  blockSize: 2 ** 20,
  retire: 20,
  /** The only setting used by cap. */
  snapshotLength: 65535,
}

/** Counts what was read since the last reset. */
export class Meter {
  packets = 0
  bytes = 0
  /** A sum of the values read, so that the compiler cannot optimise the reads away. */
  check = 0
  /** Times of the first packet and of the last clock reading, in milliseconds of performance.now(). */
  began = 0
  ended = 0
  /** Packets read up to that clock reading. */
  timed = 0

  reset(): void {
    this.packets = this.bytes = this.check = this.began = this.ended = this.timed = 0
  }

  begin(): void {
    this.began = performance.now()
  }

  tick(): void {
    this.ended = performance.now()
    this.timed = this.packets
  }

  /** Resolves when no packet has arrived for at least 100 ms. */
  async quiet(): Promise<void> {
    for (let before = -1; before !== this.packets; ) {
      before = this.packets
      await sleep(100)
    }
  }
}

/** The clock is read once per 128 packets for libraries that deliver packets one by one. */
const tickMask = 127

export interface Consumer {
  close(): Promise<void>
  /** ringtap only. */
  stats?(): CaptureStats
}

/** Opens the consumer to measure; it counts into the meter from then on. */
export async function openConsumer(spec: ConsumerSpec, meter: Meter): Promise<Consumer> {
  if (spec.who === 'ringtap') return await openRingtap(spec, meter)
  const sessions = spec.interfaces.map((name) =>
    spec.who === 'pcap' ? openPcap(name, spec, meter) : openCap(name, spec, meter),
  )
  return { close: async () => sessions.forEach((close) => void close()) }
}

async function openRingtap(spec: ConsumerSpec, meter: Meter): Promise<Consumer> {
  const { visit, interfaces, retire, addresses, ring } = spec
  const list = addresses && addressList(addresses)
  const capture = await Capture.open({
    interfaces,
    ...(addresses?.as === 'excludeHosts' && { excludeHosts: list }),
    ...(addresses?.as === 'filter' && { filter: `not (host ${list?.join(' or host ')})` }),
    snapshotLength: settings.snapshotLength,
    ring: { memory: settings.memory, blockSize: settings.blockSize, table: addresses?.table ?? 'auto', ...ring },
    chunk: { maxDelay: retire },
  })
  const read = visit === 'lengths' ? forEach : forOf
  const done = read(capture, meter)
  return {
    stats: () => capture.stats(),
    close: async () => {
      await capture.close()
      await done
    },
  }
}

async function forEach(capture: Capture, meter: Meter): Promise<void> {
  for await (const chunk of capture) {
    if (meter.packets === 0) meter.begin()
    let bytes = 0
    chunk.forEach((packet) => {
      bytes += packet.capturedLength
    })
    meter.bytes += bytes
    meter.packets += chunk.packetCount
    meter.tick()
  }
}

async function forOf(capture: Capture, meter: Meter): Promise<void> {
  let latest = 0n
  for await (const chunk of capture) {
    if (meter.packets === 0) meter.begin()
    let check = 0
    let bytes = 0
    for (const packet of chunk) {
      const { data } = packet
      bytes += data.length
      check += (data[0] as number) + packet.interface.name.length
      const { timestamp } = packet
      if (timestamp > latest) latest = timestamp
    }
    meter.bytes += bytes
    meter.check += check
    meter.packets += chunk.packetCount
    meter.tick()
  }
  meter.check += Number(latest & 1n)
}

interface PcapModule {
  createSession(
    device: string,
    options: { buffer_size: number; snap_length: number; buffer_timeout: number; promiscuous: boolean },
  ): {
    on(event: 'packet', listener: (packet: { buf: Buffer; header: Buffer }) => void): void
    close(): void
  }
  warningHandler: (text: string) => void
}

function present<T>(name: string): T {
  const peer = loadPeer<T>(name)
  if (peer.missing !== undefined) throw new Error(peer.missing)
  return peer.module
}

function openPcap(device: string, { visit, interfaces, retire }: ConsumerSpec, meter: Meter): () => void {
  const module = present<PcapModule>('pcap')
  module.warningHandler = () => {}
  const session = module.createSession(device, {
    buffer_size: Math.floor(settings.memory / interfaces.length),
    snap_length: settings.snapshotLength,
    buffer_timeout: retire,
    promiscuous: false,
  })
  if (visit === 'lengths') {
    session.on('packet', ({ header }) => {
      if (meter.packets++ === 0) meter.begin()
      meter.bytes += header.readUInt32LE(8)
      if ((meter.packets & tickMask) === 0) meter.tick()
    })
  } else {
    let latest = 0
    session.on('packet', ({ buf, header }) => {
      if (meter.packets++ === 0) meter.begin()
      meter.bytes += header.readUInt32LE(8)
      meter.check += buf[0] as number
      const time = header.readUInt32LE(0) * 1e6 + header.readUInt32LE(4)
      if (time > latest) latest = time
      if ((meter.packets & tickMask) === 0) meter.tick()
    })
  }
  return () => session.close()
}

interface CapModule {
  Cap: new () => {
    open(device: string, filter: string, bufferSize: number, buffer: Buffer): string
    on(event: 'packet', listener: (length: number, truncated: boolean) => void): void
    close(): void
  }
}

/** cap does not report the time: `fields` reads the first byte only. */
function openCap(device: string, { visit, interfaces }: ConsumerSpec, meter: Meter): () => void {
  const { Cap } = present<CapModule>('cap')
  const session = new Cap()
  const buffer = Buffer.alloc(settings.snapshotLength)
  session.open(device, '', Math.floor(settings.memory / interfaces.length), buffer)
  session.on('packet', (length) => {
    if (meter.packets++ === 0) meter.begin()
    meter.bytes += length
    if (visit === 'fields') meter.check += buffer[0] as number
    if ((meter.packets & tickMask) === 0) meter.tick()
  })
  return () => session.close()
}
