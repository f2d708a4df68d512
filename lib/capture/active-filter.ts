import { setTimeout as sleep } from 'node:timers/promises'
import { checkGroup, checkInteger } from '../arguments.js'
import type { DebugLog } from '../debug.js'
import { CaptureError, optionError } from '../errors.js'
import { checkAddresses, type HostSets } from '../filter/address-sets.js'
import { type Connection, type ConnectionList, checkConnection, checkConnections } from '../filter/connections.js'
import type { NetworkInterface } from '../interfaces/network-interface.js'
import { explainRunning } from '../permission.js'
import { maximumSnapshotLength } from './capture-options.js'
import type { NativeCapture, NativeCaptureOptions, NativeFilterState, NativeSample } from './native.js'
import { normaliseSample, type SampleOptions, sampleOf } from './sample-options.js'
import { checkSlice, nativeSlice, type Slice } from './slice-options.js'

/** LINKTYPE_ETHERNET. */
const ETHERNET = 1

/** The part of a capture that its filter uses. @internal */
export interface FilteredCapture {
  closed(): boolean
  /** The interfaces that are captured now. */
  interfaces(): readonly NetworkInterface[]
  /** Emits a warning after the present call. */
  warn(warning: CaptureError): void
  readonly debug: DebugLog
}

/** How much of each packet is kept, as it was given. @internal */
export interface Cut {
  readonly snapshotLength: number
  readonly slice: Slice | undefined
}

/**
 * The filter of a running capture: the user's, the address sets, the excluded connections, the sampling, and how packets
 * are cut. Changes are made one after another.
 *
 * @internal
 */
export class ActiveFilter {
  readonly #native: NativeCapture
  readonly #options: NativeCaptureOptions
  readonly #capture: FilteredCapture
  #expression: string | undefined
  #cut: Cut
  #sample: NativeSample | undefined
  #state: NativeFilterState
  /** One entry per line. */
  #hosts: { readonly exclude: string | undefined; readonly include: string | undefined }
  /** One a line. */
  #connections: string | undefined
  /** Those of the capture's server, in addition; one a line. */
  #served = ''
  #latest: Promise<void> = Promise.resolve()
  /** Link types that the present filter is refused for, as far as there was a warning. */
  readonly #refused = new Set<number>()
  /** The generation of each interface without a link type that there was a warning of, by index. */
  readonly #unknown = new Map<number, number>()

  constructor(native: NativeCapture, options: NativeCaptureOptions, cut: Cut, capture: FilteredCapture) {
    this.#native = native
    this.#options = options
    this.#capture = capture
    this.#expression = options.filter
    this.#cut = cut
    this.#sample = options.sample
    this.#state = native.filter
    this.#hosts = { exclude: options.excludeHosts, include: options.includeHosts }
    this.#connections = options.excludeConnections
  }

  get expression(): string | undefined {
    return this.#expression
  }

  /** The sampling in force now, and the slice. */
  get reduction(): { readonly sample: Required<SampleOptions> | undefined; readonly slice: Slice | undefined } {
    return { sample: sampleOf(this.#sample), slice: this.#cut.slice }
  }

  /** See {@link Capture.setFilter}. */
  replace(expression: string | undefined): Promise<void> {
    return this.#change(async () => {
      if (expression !== undefined && typeof expression !== 'string') {
        throw optionError('expression', 'a pcap-filter expression, or undefined for none', expression)
      }
      this.#assertOpen()
      await this.#compile(expression).catch((error) => {
        throw error.code === 'ERR_CLOSED' ? error : Object.assign(error, { option: 'expression' })
      })
    })
  }

  /** See {@link Capture.setSnapshotLength}. */
  async replaceSnapshotLength(given: number): Promise<void> {
    const snapshotLength = checkInteger(given, 'snapshotLength', 1, this.#maxBytes, 'bytes')
    await this.#recut(() => ({ ...this.#cut, snapshotLength }))
  }

  /** See {@link Capture.setSlice}. */
  async replaceSlice(given: Slice | undefined): Promise<void> {
    const slice = checkSlice(given, 'slice', this.#maxBytes)
    if (this.#options.pcap && typeof slice === 'string') throw notWithPcap('slice')
    await this.#recut(() => {
      const cut = { ...this.#cut, slice }
      const { max } = nativeSlice(slice, cut.snapshotLength)
      if (max > this.#maxBytes) throw optionError('slice', `at most ${this.#maxBytes} bytes`, slice)
      return cut
    })
  }

  /** libpcap cuts what its handle delivers, whatever the filter returns. */
  get #maxBytes(): number {
    return this.#options.pcap ? this.#options.snapshotLength : maximumSnapshotLength
  }

  /** The filter accepts the same packets as before, so none of those that are queued is filtered again. */
  #recut(next: () => Cut): Promise<void> {
    return this.#afterEarlier(async () => {
      this.#assertOpen()
      await this.#compile(this.#expression, next())
    })
  }

  /** See {@link Capture.setSample}. */
  async replaceSample(given: SampleOptions | undefined): Promise<void> {
    const sample = normaliseSample(given, 'sample')
    if (this.#options.pcap) throw notWithPcap('sample')
    await this.#change(async () => {
      this.#assertOpen()
      await this.#apply(() => this.#native.setSample(sample))
      this.#capture.debug('sample: %s', sample ?? 'none')
      this.#sample = sample
      for (const iface of this.#capture.interfaces()) this.#reportOn(iface)
    })
  }

  /** See {@link Capture.setHosts}. */
  async replaceAddresses(hosts: HostSets): Promise<void> {
    if (hosts === undefined) throw optionError('hosts', 'an object', hosts)
    if (this.#options.pcap) {
      throw new CaptureError('ERR_OPTION', "address sets are not available with backend: 'pcap'", { option: 'hosts' })
    }
    checkGroup(hosts, 'hosts', ['exclude', 'include'])
    const given = {
      exclude: checkAddresses(hosts.exclude, 'exclude'),
      include: checkAddresses(hosts.include, 'include'),
    }
    await this.#change(async () => {
      this.#assertOpen()
      const { exclude = this.#hosts.exclude, include = this.#hosts.include } = given
      await this.#apply(() => this.#native.setHosts(exclude, include))
      this.#capture.debug('address sets: %s excluded, %s included', entries(exclude), entries(include))
      this.#hosts = { exclude, include }
      for (const iface of this.#capture.interfaces()) this.#reportOn(iface)
    })
  }

  /** See {@link Capture.setConnections}. */
  async replaceConnections(connections: ConnectionList): Promise<void> {
    const given = checkConnections(connections, 'connections')
    await this.#change(async () => {
      this.#assertOpen()
      await this.#apply(() => this.#native.setConnections(lines(given, this.#served)))
      this.#capture.debug('%s connections excluded', entries(given))
      this.#connections = given
      for (const iface of this.#capture.interfaces()) this.#reportOn(iface)
    })
  }

  /** Excludes the connections of the capture's server in addition. Packets from before the change are delivered. */
  async excludeServed(connections: readonly Connection[]): Promise<void> {
    const served = connections.map((one) => checkConnection(one, 'connections')).join('\n')
    await this.#afterEarlier(async () => {
      if (served === this.#served) return
      this.#assertOpen()
      await this.#apply(() => this.#native.setConnections(lines(this.#connections, served)))
      this.#capture.debug('%s connections of readers excluded', entries(served))
      this.#served = served
    })
  }

  /** See {@link Capture.bypass}; `mark`: one of `CutoffMark`. */
  mark(connection: Connection, mark: number): void {
    const text = checkConnection(connection, 'connection')
    this.#assertOpen()
    try {
      this.#native.mark(text, mark)
    } catch (error) {
      throw explainRunning(error as CaptureError)
    }
  }

  /** Called when the capture has started: reports the warnings about the filter with which it was opened. */
  begin(): void {
    this.#report()
  }

  /**
   * Called when an interface is captured. Compiles the filter again if the interface has a link type that it was not
   * compiled for, or makes it possible to query the BPF extensions that the last compilation lacked.
   */
  learn(iface: NetworkInterface): void {
    this.#reportOn(iface)
    const { up, linkType } = iface
    const { extensionsMissing, linkTypes } = this.#state
    if (linkType === undefined || linkTypes.length === 0) return
    if (linkTypes.includes(linkType) && !(extensionsMissing && up && linkType === ETHERNET)) return
    // Cleared, so that several interfaces captured in succession cause one compilation.
    this.#state = { warnings: [], refusals: [], linkTypes: [], extensionsMissing: false }
    this.#latest = this.#latest
      .then(() => (this.#capture.closed() ? undefined : this.#compile(this.#expression)))
      .catch((error: CaptureError) => this.#capture.warn(error))
  }

  #assertOpen(): void {
    if (this.#capture.closed()) throw new CaptureError('ERR_CLOSED', 'the capture is closed')
  }

  /** Makes a change of what is accepted, once all earlier changes are complete. */
  #change(make: () => Promise<void>): Promise<void> {
    return this.#afterEarlier(async () => {
      await make()
      await this.#drainOldFilter()
    })
  }

  #afterEarlier(make: () => Promise<void>): Promise<void> {
    const done = this.#latest.then(make)
    this.#latest = done.catch(() => {})
    return done
  }

  /**
   * Waits until the packets from before the change are delivered, for at most 2 × `maxDelay` + 100 ms, and then applies
   * the present filter to the remaining ones.
   */
  async #drainOldFilter(): Promise<void> {
    const deadline = performance.now() + 2 * this.#options.maxDelay + 100
    do {
      await sleep(Math.min(5, this.#options.maxDelay))
    } while (!this.#native.oldFilterDrained() && performance.now() < deadline)
    this.#native.enforceFilter()
    this.#capture.debug('only packets of the present filter from here on')
  }

  async #compile(expression: string | undefined, cut = this.#cut): Promise<void> {
    const { slice, max } = nativeSlice(cut.slice, cut.snapshotLength)
    this.#state = await this.#apply(() => this.#native.setFilter(expression, max, slice))
    this.#expression = expression
    this.#capture.debug('filter %s, for link types %s', expression ?? 'none', this.#state.linkTypes)
    if (cut !== this.#cut) this.#capture.debug('snapshot length %d, slice %s', cut.snapshotLength, cut.slice ?? 'none')
    this.#cut = cut
    this.#refused.clear()
    this.#report()
  }

  /** Makes a native change. Warns if it was possible only in the classic form of the kernel's filter. */
  async #apply<T>(change: () => Promise<T>): Promise<T> {
    const before = this.#native.stats().table
    const outcome = await change().catch((error: CaptureError) => {
      throw explainRunning(error)
    })
    if (this.#capture.closed() || before === this.#native.stats().table) return outcome
    this.#capture.warn(
      new CaptureError(
        'ERR_PERMISSION',
        'this process may not load eBPF programs any longer (CAP_BPF): from here on the kernel filters with a classic ' +
          'program, and counts what it accepts and what the ring drops in total, not per interface',
      ),
    )
    return outcome
  }

  #report(): void {
    for (const text of this.#state.warnings) this.#capture.warn(new CaptureError('ERR_OPTION', text))
    for (const iface of this.#capture.interfaces()) this.#reportOn(iface)
  }

  /** Warns if the filter, the address sets or the connections cannot be applied to an interface. */
  #reportOn({ index, generation, name, linkType, hardwareType }: NetworkInterface): void {
    // libpcap's handles have link types of their own, and native code warns of them.
    if (this.#options.pcap) return
    if (linkType !== undefined) {
      const refusal = this.#state.refusals.find((one) => one.linkType === linkType)
      if (!refusal || this.#refused.has(linkType)) return
      this.#refused.add(linkType)
      this.#capture.warn(new CaptureError('ERR_OPTION', refusal.warning, { interface: name }))
      return
    }
    const consequence = this.#onUnknownLinkType()
    if (!consequence || this.#unknown.get(index) === generation) return
    this.#unknown.set(index, generation)
    this.#capture.warn(
      new CaptureError(
        'ERR_OPTION',
        `no link type is known for ${name} (device type ${hardwareType} of linux/if_arp.h): ${consequence}. ` +
          "Capture it with backend: 'pcap', or in a capture without filter, address sets and excluded connections",
        { interface: name },
      ),
    )
  }

  /** What the filter, the address sets and the connections do with packets whose headers cannot be interpreted. */
  #onUnknownLinkType(): string | undefined {
    if (this.#expression?.trim()) return 'the filter cannot be applied to it, and nothing is captured on it'
    if (this.#hosts.include) return 'includeHosts cannot be applied to it, and nothing is captured on it'
    if (this.#hosts.exclude) return 'excludeHosts cannot be applied to it, and all its packets are captured'
    if (this.#connections) return 'excludeConnections cannot be applied to it, and all its packets are captured'
    return undefined
  }
}

/** Two lists with one entry per line as one. */
function lines(one: string | undefined, other: string): string {
  return one && other ? `${one}\n${other}` : one || other
}

function notWithPcap(option: string): CaptureError {
  return new CaptureError('ERR_OPTION', `${option} is not available with backend: 'pcap'`, { option })
}

/** Number of entries in a list with one entry per line. */
function entries(list: string | undefined): number {
  return list ? list.split('\n').length : 0
}
