import { checkGroup, checkInteger, checkSignal, checkWord, orElse } from '../arguments.js'
import type { Compression } from '../packets/encode-options.js'
import { packingOf } from '../savefile/compression.js'
import { formKeys, normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import type { NativeBatchOptions } from './native.js'
import { checkOwners, type OwnersOption } from './recorded-owners.js'

/** Options of {@link Capture.batches}. All are optional. */
export interface BatchOptions extends Pick<SavefileFormOptions, 'comment' | 'application'>, OwnersOption {
  /**
   * Bytes of a batch at most, before it is compressed, 4096 to 2³⁰. A single packet may exceed it, and so may the statistics that report a loss.
   * Default 1 MiB.
   */
  bytes?: number | undefined
  /** Milliseconds after which a batch is complete, since its first packet was packed; 10 to 1e9. Default 1000. */
  milliseconds?: number | undefined
  /** A batch is a pcapng file: pcap can hold neither the names of interfaces nor losses. */
  format?: 'pcapng' | undefined
  /** Compresses each batch as a whole. Default false. */
  compress?: Compression | false | undefined
  /**
   * Bytes of the batches that wait to be taken. When they are used up, packets wait in the ring and in the overflow
   * memory. One more batch, and what one block of the ring holds, may be packed beyond it. From `bytes` to 2⁵⁰; default
   * four times `bytes`, at least 16 MiB.
   */
  memory?: number | undefined
  /** Aborting ends the batches; the iteration rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** @internal */
export type NormalisedBatchOptions = Omit<NativeBatchOptions, 'filter' | 'owners'> & { readonly owners: boolean }

const formats = ['pcapng'] as const

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseBatchOptions(given: BatchOptions | undefined): {
  native: NormalisedBatchOptions
  signal: AbortSignal | undefined
} {
  const keys = formKeys.filter((key) => key !== 'precision')
  const options = checkGroup(given, 'options', [
    'bytes',
    'milliseconds',
    ...keys,
    'compress',
    'memory',
    'signal',
    'owners',
  ])
  const bytes = checkInteger(orElse(options.bytes, 1 << 20), 'bytes', 4096, 2 ** 30, 'bytes')
  const milliseconds = checkInteger(orElse(options.milliseconds, 1000), 'milliseconds', 10, 1e9, 'milliseconds')
  checkWord(orElse(options.format, 'pcapng'), 'format', formats)
  const memory = orElse(options.memory, Math.max(4 * bytes, 16 << 20))
  return {
    native: {
      ...normaliseForm({ comment: options.comment, application: options.application }),
      bytes,
      milliseconds,
      packing: packingOf(options.compress, 'compress'),
      memory: checkInteger(memory, 'memory', bytes, 2 ** 50, 'bytes'),
      owners: checkOwners(options, options.format),
    },
    signal: checkSignal(options.signal, 'signal'),
  }
}
