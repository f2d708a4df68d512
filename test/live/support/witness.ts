import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FilePacket, parsePcap } from '../../helpers/savefiles.js'
import { sequenceOf } from './frame.js'
import { assertInside } from './namespace.js'
import { commandIn, diesWithParent } from './tools.js'
import { waitUntil, waitUntilStable } from './wait.js'

export type { FilePacket } from '../../helpers/savefiles.js'
export { difference, packetKey, tally } from './multiset.js'

export interface WitnessOptions {
  /**
   * A name; or `any`, for all interfaces at once: then each packet has its interface's index and direction, and begins
   * with the network layer (LINUX_SLL2).
   */
  interface: string
  /** A pcap-filter expression. */
  filter?: string
  /** Default `both`. */
  direction?: 'in' | 'out' | 'both'
  /** Bytes kept of each packet. The buffer holds 64 MiB / this many packets. Default 2048. */
  snapLength?: number
  /** pid of a process in the network namespace to listen in. Default: this one's. */
  namespace?: number | undefined
}

/** A packet as tcpdump saw it; VLAN tags are back in the bytes. */
export interface WitnessedPacket extends FilePacket {
  /** As given to {@link startTcpdump}. */
  interface: string
}

export interface Witness {
  /** The packets written so far; reads the whole file each time. */
  packets(): WitnessedPacket[]
  /** Waits for this many packets, of those with a number if `numbered`. */
  waitFor(count: number, options?: { numbered?: boolean }): Promise<void>
  /**
   * Waits until no further packets come, and ends tcpdump.
   *
   * @returns all packets, in the order of their arrival
   * @throws Error if tcpdump lost packets, or left some unread: such a witness proves nothing.
   */
  stop(): Promise<WitnessedPacket[]>
}

/** Of every network namespace. */
const loopbackIndex = 1

/**
 * Starts tcpdump as an independent witness.
 *
 * @returns when it is listening: every packet from now on is seen
 * @throws Error with tcpdump's words if it cannot start.
 */
export async function startTcpdump(options: WitnessOptions): Promise<Witness> {
  assertInside()
  const { interface: name, filter, direction = 'both', snapLength = 2048, namespace } = options
  const args = ['-i', name, '-w', '-', '-U', '-n', '--immediate-mode', '-B', '65536', '-s', String(snapLength)]
  args.push('--time-stamp-precision=nano', '-Q', direction === 'both' ? 'inout' : direction)
  // Root stays root: some builds become another user, who may not exist.
  args.push('-Z', 'root')
  if (name === 'any') args.push('-y', 'LINUX_SLL2')
  if (filter) args.push('--', filter)

  // A file and not a pipe: tcpdump must not wait for this process, which may be busy. Nameless: nothing is left behind.
  const folder = mkdtempSync(join(tmpdir(), 'ringtap-witness-'))
  const file = openSync(join(folder, 'pcap'), 'w+')
  rmSync(folder, { recursive: true })

  const [command = '', ...tcpdump] = [...diesWithParent(), 'tcpdump', ...args]
  const [program, rest] = commandIn(namespace, command, tcpdump)
  const child = spawn(program, rest, { stdio: ['ignore', file, 'pipe'] })
  let said = ''
  let ended = false
  child.stderr?.on('data', (text: Buffer) => (said += text.toString()))
  child.on('error', (error) => {
    said += error.message
    ended = true
  })
  child.on('close', () => (ended = true))
  const abandon = () => child.kill('SIGKILL')
  process.once('exit', abandon)
  await waitUntil(
    () => ended || said.includes('listening on '),
    'tcpdump to listen',
    20_000,
    () => said,
  )
  if (ended) throw new Error(`tcpdump on ${name} has ended: ${said.trim()}`)
  child.unref()
  ;(child.stderr as unknown as { unref?(): void }).unref?.()

  const size = () => fstatSync(file).size
  // proc_pid_stat(5): the state stands behind the name. Asleep it has read all there was; else its turn is still to come.
  const asleep = () => ended || readFileSync(`/proc/${child.pid}/stat`, 'latin1').includes(') S ')
  const packets = (endsMidway = true): WitnessedPacket[] => {
    const bytes = Buffer.alloc(size())
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(file, bytes, at, bytes.length - at, at)
      if (read === 0) throw new Error('the file of tcpdump shrank')
      at += read
    }
    return parsePcap(bytes, { endsMidway }).packets.map((packet) => ({ interface: name, ...packet }))
  }

  return {
    packets,
    async waitFor(count, { numbered = false } = {}) {
      const seen = () => packets().filter(({ data }) => !numbered || sequenceOf(data) !== undefined).length
      await waitUntil(() => seen() >= count, `${count} packets at tcpdump`, 20_000, seen)
    },
    async stop() {
      // It stops reading at the signal: what is in its ring by then is lost to it.
      const read = async () => {
        await waitUntil(asleep, `tcpdump on ${name} to wait for packets`)
        return size()
      }
      if (!ended) await waitUntilStable(read, `the file of tcpdump on ${name}`)
      child.kill('SIGINT')
      await waitUntil(
        () => ended,
        'tcpdump to end',
        20_000,
        () => said,
      )
      process.removeListener('exit', abandon)
      try {
        const all = packets(false)
        const figure = (what: string) =>
          Number(new RegExp(`^(\\d+) packets? ${what}`, 'm').exec(said)?.[1] ?? Number.NaN)
        const written = figure('captured')
        // libpcap counts here what it discards itself: the other direction, and loopback's double.
        const received = figure('received by filter')
        const discarded = all.filter(({ interfaceIndex }) => name === 'lo' || interfaceIndex === loopbackIndex).length
        const complete = direction === 'both' ? received === written + discarded : received >= written
        if (figure('dropped by kernel') !== 0 || !complete || written !== all.length) {
          throw new Error(
            `tcpdump on ${name} is no witness: ${all.length} packets in its file; it says: ${said.trim()}`,
          )
        }
        return all
      } finally {
        closeSync(file)
      }
    },
  }
}
