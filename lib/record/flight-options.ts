import { checkFilter, checkGroup, checkInteger, checkSignal, orElse } from '../arguments.js'
import { optionError } from '../errors.js'
import { type CheckedSelection, type InterfaceSelection, normaliseSelection } from '../interfaces/selection.js'
import type { Compression } from '../packets/encode-options.js'
import { packingOf } from '../savefile/compression.js'
import { normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import type { NativeFlightDumpOptions, NativeFlightOptions } from './native.js'
import { checkOwners, type OwnersOption } from './recorded-owners.js'

/** Options of {@link Capture.flightRecorder}. All are optional. */
export interface FlightRecorderOptions extends OwnersOption {
  /**
   * Bytes of memory for packets, 1 MiB to 2⁴⁰. A packet takes what it takes in a pcapng file: its captured bytes and some
   * 44 more. Beside it the recorder needs up to two megabytes, four if it compresses, some ten more with `owners`, and what one
   * block of the ring holds. Default 64 MiB.
   */
  memory?: number | undefined
  /** Seconds after which packets are dropped, to a thirtieth or a second; 1 to 1e6. Default: when the memory is full. */
  seconds?: number | undefined
  /**
   * Compresses the packets in memory, in pieces of a sixteenth of it, at most 4 MiB or what arrived in a second, so that it
   * covers a longer time: seven times as many packets of headers alone, three times as many with 30 bytes of encrypted
   * payload each. Headers are stored as differences from the packet before in the same flow, and these are compressed. The
   * buffers for it, which take as much as three pieces, are part of `memory`; each dump needs up to four more beside it. What
   * dumps write is not compressed. Default false.
   */
  compress?: Compression | false | undefined
}

/** Options of {@link FlightRecorder.dump}. All are optional. */
export interface FlightDumpOptions extends Pick<SavefileFormOptions, 'comment' | 'application'> {
  /** Seconds before the call from which packets are written, 0 to 1e9. Default: all that are held. */
  before?: number | undefined
  /** Seconds after the call until which packets are written, 0 to 1e6. Default 0. */
  after?: number | undefined
  /** A pcap-filter(7) expression, as for files: it cannot test the direction of an Ethernet packet. Default: none. */
  filter?: string | undefined
  /**
   * Which interfaces, as with {@link SavefileOptions.interfaces}: exact names, or rules. Names are those that the interfaces had
   * when their packets were received. Evaluated once for each interface that has packets or losses in the memory. Default: all.
   */
  interfaces?: InterfaceSelection | undefined
  /** Aborting ends the dump without a file; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** @internal */
export type NormalisedFlightOptions = Omit<NativeFlightOptions, 'filter' | 'owners'> & { readonly owners: boolean }

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseFlightOptions(given: FlightRecorderOptions | undefined): NormalisedFlightOptions {
  const options = checkGroup(given, 'options', ['memory', 'seconds', 'compress', 'owners'])
  const memory = checkInteger(orElse(options.memory, 64 << 20), 'memory', 1 << 20, 2 ** 40, 'bytes')
  const seconds = options.seconds === undefined ? 0 : checkSeconds(options.seconds, 'seconds', 1, 1e6)
  return {
    ...normaliseForm({}),
    memory,
    milliseconds: Math.ceil(seconds * 1000),
    packing: packingOf(options.compress, 'compress'),
    owners: checkOwners(options, 'pcapng'),
  }
}

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseDumpOptions(given: FlightDumpOptions | undefined): {
  native: NativeFlightDumpOptions
  selection: CheckedSelection | undefined
  signal: AbortSignal | undefined
} {
  const keys = ['before', 'after', 'filter', 'interfaces', 'comment', 'application', 'signal'] as const
  const options = checkGroup(given, 'options', keys)
  return {
    native: {
      ...normaliseForm({ comment: options.comment, application: options.application }),
      before: options.before === undefined ? -1 : checkSeconds(options.before, 'before', 0, 1e9) * 1000,
      after: checkSeconds(orElse(options.after, 0), 'after', 0, 1e6) * 1000,
      filter: checkFilter(options.filter, 'filter'),
      selecting: options.interfaces !== undefined,
    },
    selection: options.interfaces === undefined ? undefined : normaliseSelection(options.interfaces),
    signal: checkSignal(options.signal, 'signal'),
  }
}

function checkSeconds(value: unknown, label: string, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    throw optionError(label, `a number of seconds from ${low} to ${high}`, value)
  }
  return value
}
