import { type ChildProcess, spawn } from 'node:child_process'
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
  /**
   * Bytes kept of each packet (snapshot length). Default 1800: more than an Ethernet frame, and two of tcpdump's slots fit
   * into a page. It allocates 96 MiB / slot size, by default 53 000 slots; a slot is some 90 bytes larger than this.
   */
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
  const witness = new Tcpdump(options)
  await witness.listening()
  return witness
}

function tcpdumpArguments({
  interface: name,
  filter,
  direction = 'both',
  snapLength = 1800,
}: WitnessOptions): string[] {
  const args = ['-i', name, '-w', '-', '-U', '-n', '--immediate-mode', '-B', '98304', '-s', String(snapLength)]
  args.push('--time-stamp-precision=nano', '-Q', direction === 'both' ? 'inout' : direction)
  // Keep root: some builds change to another user, which may not exist here.
  args.push('-Z', 'root')
  if (name === 'any') args.push('-y', 'LINUX_SLL2')
  if (filter) args.push('--', filter)
  return args
}

/** Opens a file that has no name any more, so that nothing is left behind. */
function openUnnamed(): number {
  const folder = mkdtempSync(join(tmpdir(), 'ringtap-witness-'))
  const file = openSync(join(folder, 'pcap'), 'w+')
  rmSync(folder, { recursive: true })
  return file
}

class Tcpdump implements Witness {
  readonly #name: string
  readonly #direction: WitnessOptions['direction']
  // A file rather than a pipe: tcpdump must not wait for this process, which may be busy.
  readonly #file = openUnnamed()
  readonly #child: ChildProcess
  readonly #abandon: () => void
  #said = ''
  #ended = false

  constructor(options: WitnessOptions) {
    this.#name = options.interface
    this.#direction = options.direction ?? 'both'
    const [command = '', ...args] = [...diesWithParent(), 'tcpdump', ...tcpdumpArguments(options)]
    const [program, rest] = commandIn(options.namespace, command, args)
    this.#child = spawn(program, rest, { stdio: ['ignore', this.#file, 'pipe'] })
    this.#child.stderr?.on('data', (text: Buffer) => (this.#said += text.toString()))
    this.#child.on('error', (error) => {
      this.#said += error.message
      this.#ended = true
    })
    this.#child.on('close', () => (this.#ended = true))
    this.#abandon = () => this.#child.kill('SIGKILL')
    process.once('exit', this.#abandon)
  }

  async listening(): Promise<void> {
    const listens = () => this.#ended || this.#said.includes('listening on ')
    await waitUntil(listens, 'tcpdump to listen', 20_000, () => this.#said)
    if (this.#ended) throw new Error(`tcpdump on ${this.#name} has ended: ${this.#said.trim()}`)
    this.#child.unref()
    ;(this.#child.stderr as unknown as { unref?(): void }).unref?.()
  }

  packets(): WitnessedPacket[] {
    return this.#read(true)
  }

  async waitFor(count: number, { numbered = false } = {}): Promise<void> {
    const seen = () => this.packets().filter(({ data }) => !numbered || sequenceOf(data) !== undefined).length
    await waitUntil(() => seen() >= count, `${count} packets at tcpdump`, 20_000, seen)
  }

  async stop(): Promise<WitnessedPacket[]> {
    // On the signal tcpdump stops reading, and would lose what is still in its ring.
    const read = async () => {
      await waitUntil(() => this.#asleep(), `tcpdump on ${this.#name} to wait for packets`)
      return this.#size()
    }
    if (!this.#ended) await waitUntilStable(read, `the file of tcpdump on ${this.#name}`)
    this.#child.kill('SIGINT')
    const ended = () => this.#ended
    await waitUntil(ended, 'tcpdump to end', 20_000, () => this.#said)
    process.removeListener('exit', this.#abandon)
    try {
      const all = this.#read(false)
      this.#checkComplete(all)
      return all
    } finally {
      closeSync(this.#file)
    }
  }

  #size(): number {
    return fstatSync(this.#file).size
  }

  /** While asleep, tcpdump has read everything; else it has yet to run. */
  #asleep(): boolean {
    // proc_pid_stat(5): the state follows the name.
    return this.#ended || readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1').includes(') S ')
  }

  /** @param endsMidway Allow the last packet of the file to be incomplete. */
  #read(endsMidway: boolean): WitnessedPacket[] {
    const bytes = Buffer.alloc(this.#size())
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(this.#file, bytes, at, bytes.length - at, at)
      if (read === 0) throw new Error('the file of tcpdump shrank')
      at += read
    }
    return parsePcap(bytes, { endsMidway }).packets.map((packet) => ({ interface: this.#name, ...packet }))
  }

  /** Throws if the statistics that tcpdump prints at its end do not agree with the packets of its file. */
  #checkComplete(all: readonly WitnessedPacket[]): void {
    const figure = (what: string) =>
      Number(new RegExp(`^(\\d+) packets? ${what}`, 'm').exec(this.#said)?.[1] ?? Number.NaN)
    const written = figure('captured')
    // libpcap counts packets here that it discards itself: the other direction, and the second copy on loopback.
    const received = figure('received by filter')
    const discarded = all.filter(({ interfaceIndex }) => this.#name === 'lo' || interfaceIndex === loopbackIndex).length
    const complete = this.#direction === 'both' ? received === written + discarded : received >= written
    if (figure('dropped by kernel') !== 0 || !complete || written !== all.length) {
      throw new Error(
        `tcpdump on ${this.#name} is no witness: ${all.length} packets in its file; it says: ${this.#said.trim()}`,
      )
    }
  }
}
