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
   * Interface name, or `any` for all interfaces: in that case each packet has its interface's index and direction, and
   * starts at the network layer (LINUX_SLL2).
   */
  interface: string
  /** A pcap-filter expression. */
  filter?: string
  /** Default `both`. */
  direction?: 'in' | 'out' | 'both'
  /** Bytes kept of each packet (snapshot length). The buffer holds 64 MiB / this many packets. Default 2048. */
  snapLength?: number
  /** pid of a process in the network namespace to capture in. Default: this process's own namespace. */
  namespace?: number | undefined
}

/** A packet as captured by tcpdump, with VLAN tags put back into the bytes. */
export interface WitnessedPacket extends FilePacket {
  /** As given to {@link startTcpdump}. */
  interface: string
}

export interface Witness {
  /** The packets written so far; reads the whole file on each call. */
  packets(): WitnessedPacket[]
  /** Waits for this many packets; with `numbered`, counts numbered frames only. */
  waitFor(count: number, options?: { numbered?: boolean }): Promise<void>
  /**
   * Waits until no further packets arrive, then ends tcpdump.
   *
   * @returns all packets, in the order of their arrival
   * @throws Error if tcpdump lost packets or left some unread: the result would not be complete.
   */
  stop(): Promise<WitnessedPacket[]>
}

/** Index of loopback in every network namespace. */
const loopbackIndex = 1

/**
 * Starts tcpdump as an independent witness.
 *
 * @returns when tcpdump is capturing: it sees every packet from then on
 * @throws Error with tcpdump's error output if it cannot start.
 */
export async function startTcpdump(options: WitnessOptions): Promise<Witness> {
  assertInside()
  const { interface: name, filter, direction = 'both', snapLength = 2048, namespace } = options
  const args = ['-i', name, '-w', '-', '-U', '-n', '--immediate-mode', '-B', '65536', '-s', String(snapLength)]
  args.push('--time-stamp-precision=nano', '-Q', direction === 'both' ? 'inout' : direction)
  // Keep root: some builds change to another user, which may not exist here.
  args.push('-Z', 'root')
  if (name === 'any') args.push('-y', 'LINUX_SLL2')
  if (filter) args.push('--', filter)

  // A file rather than a pipe: tcpdump must not wait for this process, which may be busy. It is unlinked once it is open,
  // so that nothing is left behind.
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
  // proc_pid_stat(5): the state follows the name. While asleep, tcpdump has read everything; else it has yet to run.
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
      // On the signal tcpdump stops reading, and would lose what is still in its ring.
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
        // libpcap counts packets here that it discards itself: the other direction, and the second copy on loopback.
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
