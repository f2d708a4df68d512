import { Dissector } from '../dissect/dissector.js'
import { CaptureError, construction, notConstructible, optionError } from '../errors.js'
import { Packet } from '../packets/packet.js'
import { explainOpening } from '../permission.js'
import {
  type NativeOwnerStats,
  type NativeOwnership,
  type NativeOwnerWatch,
  native,
  type OwnerWatchHandle,
} from './native.js'
import { type OwnerFilter, ownerTest } from './owner-filter.js'
import { newKey, type OwnedFlow, setFlow, setPacket, setTime } from './owner-key.js'
import { normaliseOwnerOptions, type OwnerSettings, type SocketOwnersOptions } from './owner-options.js'
import { ProcessBook } from './process-book.js'
import { gapOf, noSocket, type OwnerGap, type PacketOwners, type SocketOwner, sourceOf } from './socket-owner.js'
import { readUsers } from './users.js'

/** What {@link SocketOwners} holds and has done. */
export interface SocketOwnersStats {
  /** Sockets that are open. */
  readonly open: number
  /** Sockets that have ended and are kept. */
  readonly ended: number
  /** Sockets that were not taken because `memory` was used up. */
  readonly refused: number
  /** Bytes of these and of processes, approximately. */
  readonly bytes: number
  /** Processes that have or had sockets. */
  readonly processes: number
  /** Network namespaces whose sockets are followed. */
  readonly namespaces: number
  /** How often all sockets were listed. */
  readonly sweeps: number
  /** How often the kernel dropped notifications of ended sockets. */
  readonly missed: number
}

interface Waiting {
  readonly number: number
  readonly resolve: () => void
}

const nothing: NativeOwnerStats = {
  open: 0,
  ended: 0,
  refused: 0,
  bytes: 0,
  processes: 0,
  namespaces: 0,
  sweeps: 0,
  missed: 0,
  hiddenProcesses: 0,
  hiddenNamespaces: 0,
  closedNamespaces: 0,
  makers: false,
  withoutMakers: '',
}

/**
 * Tells whose packets are: the processes, users and containers that have the sockets of TCP and UDP at their ends.
 *
 * ```ts
 * await using owners = await SocketOwners.open()
 * for await (const chunk of capture) {
 *   await owners.update(chunk.lastTimestamp)
 *   for (const packet of chunk) console.log(owners.ownersOf(packet).source.processes[0]?.name)
 * }
 * ```
 *
 * A packet's owner is that of the socket with its addresses and ports at its time, on this host: never a guess by the task
 * that happens to run. What is ambiguous is said: {@link SocketOwner.unknown}, and several processes where they share.
 *
 * All reading is done on a thread of its own. It needs no privilege for the user's own processes; what is missing without
 * is in {@link missing}. Linux only.
 */
export class SocketOwners implements AsyncDisposable {
  readonly #native: NativeOwnerWatch
  readonly #book: ProcessBook
  readonly #dissector = new Dissector()
  readonly #key = newKey()
  #waiting: Waiting[] = []
  /** Everything before this time has been read; nanoseconds since 1970. */
  #readAt = 0n
  #last = nothing
  #closing: Promise<void> | undefined

  /**
   * Begins to follow sockets. Resolves when all that are open have been read.
   *
   * @throws CaptureError (the promise rejects) `ERR_OPTION`; `ERR_PERMISSION` with `netns`; `ERR_SYSTEM`;
   *   `ERR_NOT_SUPPORTED` elsewhere than on Linux.
   */
  static async open(options?: SocketOwnersOptions): Promise<SocketOwners> {
    return SocketOwners._open(normaliseOwnerOptions(options, 'options'))
  }

  /** @internal */
  static async _open(settings: OwnerSettings): Promise<SocketOwners> {
    const users = await readUsers(settings.root)
    const link: { serve?: () => void } = {}
    let watch: NativeOwnerWatch
    try {
      const { OwnerWatch } = native()
      watch = new OwnerWatch(settings.native, callThrough(link))
    } catch (error) {
      throw explainOpening(error)
    }
    const owners = new SocketOwners(construction, watch, new ProcessBook(settings.root, users))
    // The addon refers to the callback: without this reference, the object can be collected when nobody uses it.
    const weak = new WeakRef(owners)
    link.serve = () => weak.deref()?._serve()
    await owners.update()
    return owners
  }

  private constructor(by: typeof construction, watch: NativeOwnerWatch, book: ProcessBook) {
    if (by !== construction) throw notConstructible('SocketOwners', 'use SocketOwners.open()')
    this.#native = watch
    this.#book = book
  }

  /**
   * Reads sockets, processes and containers as they are now. Once it has resolved, everything is known of packets from
   * before the call that will be known: call it once per chunk, not per packet. Lists that are asked for take at most a fifth
   * of a processor's time, so that calls may wait for one another.
   *
   * @param since Nanoseconds since 1970, such as `chunk.lastTimestamp`: nothing is read if everything was since then. A
   *   program that is behind the traffic then does not wait. Default: now.
   * @throws CaptureError (the promise rejects) `ERR_OPTION`, `ERR_CLOSED`.
   */
  async update(since?: bigint): Promise<void> {
    this.#refuseClosed()
    if (since !== undefined && typeof since !== 'bigint') throw optionError('since', 'a bigint', since)
    if (since === undefined || since >= this.#readAt) {
      const asked = BigInt(Date.now()) * 1_000_000n
      await new Promise<void>((resolve) => {
        this.#native.hold(true)
        this.#waiting.push({ number: this.#native.ask(), resolve })
      })
      if (asked > this.#readAt) this.#readAt = asked
    }
    await this.#book.complete()
  }

  /** @internal */
  _serve(): void {
    if (this.#closing) return
    const answered = this.#native.answered()
    const due = this.#waiting.filter(({ number }) => number <= answered)
    this.#waiting = this.#waiting.filter(({ number }) => number > answered)
    if (this.#waiting.length === 0) this.#native.hold(false)
    for (const { resolve } of due) resolve()
  }

  /**
   * The owners of a packet, at its time, as far as they are known by now; takes some microseconds. The ends are those of
   * the packet itself: tunnels are not looked into.
   *
   * @throws CaptureError `ERR_OPTION`, `ERR_RELEASED`, `ERR_CLOSED`.
   */
  ownersOf(packet: Packet): PacketOwners
  /**
   * The owners of a flow.
   *
   * @param timestamp Nanoseconds since 1970. Default: the flow's first packet.
   * @throws CaptureError `ERR_OPTION`, `ERR_CLOSED`.
   */
  ownersOf(flow: OwnedFlow, timestamp?: bigint): PacketOwners
  ownersOf(of: Packet | OwnedFlow, timestamp?: bigint): PacketOwners {
    this.#refuseClosed()
    const key = this.#key
    if (Packet._is(of)) {
      if (!setPacket(key, of, this.#dissector)) return { source: noSocket, destination: noSocket }
      setTime(key, of.timestamp)
    } else {
      if (typeof of !== 'object' || of === null || typeof of.sourceIp !== 'string') {
        throw optionError('packet', 'a Packet or a flow', of)
      }
      if (timestamp !== undefined && typeof timestamp !== 'bigint') {
        throw optionError('timestamp', 'a bigint', timestamp)
      }
      if (timestamp === undefined && typeof of.first !== 'number') {
        throw optionError('timestamp', 'given for a flow without the time of its first packet', timestamp)
      }
      if (!setFlow(key, of)) return { source: noSocket, destination: noSocket }
      // The time of a flow is in whole quarters of a microsecond: the next one, not to be before its socket.
      setTime(key, timestamp ?? BigInt(Math.ceil((of.first as number) * 1e6)))
    }
    return { source: this.#find(false), destination: this.#find(true) }
  }

  /**
   * The packets of which one end has an owner that passes the filter. A packet is valid as in the iteration that it is taken
   * from.
   *
   * ```ts
   * for (const packet of owners.select(chunk, { container: /web/ })) console.log(packet.capturedLength)
   * ```
   *
   * @param packets A chunk, or other packets.
   * @throws CaptureError `ERR_OPTION`, `ERR_CLOSED`.
   */
  select(packets: Iterable<Packet>, filter: OwnerFilter): Iterable<Packet> {
    this.#refuseClosed()
    return this.#select(packets, ownerTest(filter))
  }

  *#select(packets: Iterable<Packet>, passes: (owners: PacketOwners) => boolean): Generator<Packet, void, undefined> {
    for (const packet of packets) if (passes(this.ownersOf(packet))) yield packet
  }

  #find(reversed: boolean): SocketOwner {
    const found = this.#native.find(this.#key, reversed)
    return found ? this.#describe(found) : noSocket
  }

  #describe([source, gap, inode, ...processes]: NativeOwnership): SocketOwner {
    const unknown = gapOf(gap)
    if (unknown === 'no-socket') return noSocket
    return {
      processes: processes.map((process) => this.#book.processOf(process)).sort((a, b) => a.pid - b.pid),
      by: sourceOf(source),
      unknown,
      netns: inode || undefined,
    }
  }

  /** What cannot be found out, and why; empty if everything is known that there is to know. */
  get missing(): readonly OwnerGap[] {
    const stats = this.#read()
    const gaps: OwnerGap[] = []
    if (stats.hiddenProcesses > 0) {
      const reason = `${some(stats.hiddenProcesses, 'process does', 'processes do')} not show descriptors to this process`
      gaps.push({ field: 'processes', reason, capability: 'CAP_SYS_PTRACE' })
    }
    if (stats.hiddenNamespaces > 0) {
      const reason = `${some(stats.hiddenNamespaces, 'process does', 'processes do')} not show a network namespace to this process`
      gaps.push({ field: 'namespaces', reason, capability: 'CAP_SYS_PTRACE' })
    }
    if (stats.closedNamespaces > 0) {
      const reason = `${some(stats.closedNamespaces, 'network namespace', 'network namespaces')} cannot be entered`
      gaps.push({ field: 'namespaces', reason, capability: 'CAP_SYS_ADMIN' })
    }
    if (!stats.makers) {
      const permitted = !/not available to this process|not permitted/.test(stats.withoutMakers)
      gaps.push({
        field: 'makers',
        reason: `who makes sockets is not reported: ${stats.withoutMakers}`,
        capability: permitted ? undefined : 'CAP_BPF and CAP_NET_ADMIN',
      })
    }
    return gaps
  }

  /** Figures; after `close()` they stay as they were last. */
  stats(): SocketOwnersStats {
    const { open, ended, refused, bytes, processes, namespaces, sweeps, missed } = this.#read()
    return { open, ended, refused, bytes, processes, namespaces, sweeps, missed }
  }

  #read(): NativeOwnerStats {
    this.#last = this.#native.stats() ?? this.#last
    return this.#last
  }

  /** For what is written in native code. @throws CaptureError `ERR_CLOSED`. @internal */
  _handle(): OwnerWatchHandle {
    this.#refuseClosed()
    return this.#native.handle()
  }

  #refuseClosed(): void {
    if (this.#closing) throw new CaptureError('ERR_CLOSED', 'the owners of sockets are not followed any more')
  }

  /** Ends the thread and closes its sockets; pending updates resolve. Legal any number of times. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#read()
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    await this.#native.close()
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const some = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`

// A separate function, because a closure made in _open() would refer to the object through its scope.
function callThrough(link: { serve?: () => void }): () => void {
  return () => link.serve?.()
}
