import { checkCallback, checkGroup, checkInteger } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import type { Compression } from '../packets/encode-options.js'
import { formKeys, normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import type { NativeRecordOptions } from './native.js'
import { checkRecordPath } from './record-path.js'
import type { RecordedFile } from './recorded-file.js'
import { checkOwners, type OwnersOption } from './recorded-owners.js'

/** When a file of a recording is complete and the next one begins: when the first of these limits is reached. */
export interface RotateOptions {
  /**
   * Maximum number of bytes of a file, before it is compressed, at least 4096; a single packet may exceed it. Default: no
   * limit.
   */
  size?: number | undefined
  /**
   * Milliseconds since the first packet of a file was written, 10 to 1e9. A file without packets is not rotated.
   * Default: no limit.
   */
  milliseconds?: number | undefined
  /** Number of packets in a file, from 1. Default: no limit. */
  packets?: number | undefined
}

/** Options of {@link Capture.record}. */
export interface RecordOptions extends SavefileFormOptions, OwnersOption {
  /**
   * Path of the file. In it `%Y %m %d %H %M %S` are replaced by the time at which the file is created (UTC), `%i` for
   * its number (six digits, from 000001), and `%%` for a percent sign. With `rotate` and without `%i` the number is
   * inserted before the extension: `trace.pcapng` gives `trace-000001.pcapng`.
   *
   * While it is written, a file has a hidden name, `.trace-000001.pcapng.partial`; it gets its own name when it is
   * complete. Existing files are never overwritten: numbers that are in use are skipped, and a name without a number is
   * refused. A file that a killed process leaves under its hidden name can be read up to its last block; see `compress`
   * for compressed files.
   *
   * A path that ends with `.gz` or `.zst` is compressed so. `'-'` is standard output, one file, which cannot be combined
   * with `rotate`, `files`, `minimumFree` and `sync`; what is written there cannot be taken back after an error.
   * {@link Capture.close} gives up when standard output is not read for a second.
   *
   * Of a named pipe, the reader must have opened it: errno ENXIO otherwise. When it ends, so does the recording, with EPIPE. A pipe
   * of another user in a sticky folder that everybody may write to is refused (EACCES).
   *
   * Files are readable and writable for their owner alone (mode 0600).
   */
  path: string
  /**
   * Compresses the files, on the recorder's thread; `.gz` or `.zst` is appended to a path that does not end so. A file
   * consists of gzip members or zstd frames, each with whole packets: one ends after 1 MiB, or after a second. So a file
   * that a killed process leaves can be read up to the last of them, and what waits for the next one is lost; when
   * writing fails, the file keeps what is complete. Default: as the path ends, else false.
   */
  compress?: Compression | false | undefined
  /**
   * Called for each complete file, in order, one at a time: the next call waits until the promise of the last one has
   * settled. Until then the file is not removed for `files` or `minimumFree`, and counts: while this is slower than the
   * traffic, there are more than `files`. {@link Recording.finished}, {@link Recording.stop} and the event `end` wait
   * for the last call, so `onFile` must not wait for them. What it throws is emitted as a `warning` of the capture,
   * `ERR_OPTION` with `cause`.
   */
  onFile?: ((file: RecordedFile) => unknown) | undefined
  /** When to begin another file. Default: never, one file. */
  rotate?: RotateOptions | undefined
  /**
   * Number of complete files of this recording to keep, 1 to 1000000; older ones are removed, but none before its
   * `onFile` has ended. Only with `rotate`. Default: all.
   */
  files?: number | undefined
  /**
   * Bytes to leave free on the disk. With `files`, the oldest files are removed for that; if that is not
   * enough, the recording ends as it does when the disk is full. Default 0.
   */
  minimumFree?: number | undefined
  /**
   * When data are forced to the disk (fsync(2)), so that they survive a power failure: `'never'` leaves it to the
   * system; `'rotate'`: each file before it gets its name; a number: also at this interval in seconds, 0.01 to 3600.
   * The recorder's thread waits for the disk, not the capture. Default `'never'`.
   */
  sync?: 'never' | 'rotate' | number | undefined
}

/** @internal */
export type NormalisedRecordOptions = Omit<NativeRecordOptions, 'linkType' | 'filter' | 'owners'> & {
  readonly owners: boolean
}

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseRecordOptions(given: RecordOptions): NormalisedRecordOptions {
  if (given === undefined) throw optionError('options', 'an object with a path', given)
  const keys = ['path', 'compress', 'onFile', 'rotate', 'files', 'minimumFree', 'sync', 'owners', ...formKeys] as const
  const options = checkGroup(given, 'options', keys)
  checkUnit(options.rotate)
  const rotate = checkGroup(options.rotate, 'rotate', ['size', 'milliseconds', 'packets'])
  const limit = (value: number | undefined, label: string, low: number, high: number, unit?: string) =>
    value === undefined ? 0 : checkInteger(value, label, low, high, unit)
  const rotateBytes = limit(rotate.size, 'rotate.size', 4096, 2 ** 50, 'bytes')
  const rotatePackets = limit(rotate.packets, 'rotate.packets', 1, 2 ** 50)
  const rotateMilliseconds = limit(rotate.milliseconds, 'rotate.milliseconds', 10, 1e9, 'milliseconds')
  const rotating = rotateBytes + rotatePackets + rotateMilliseconds > 0
  if (options.rotate !== undefined && !rotating) {
    throw new CaptureError('ERR_OPTION', 'rotate must name at least one of size, milliseconds and packets', {
      option: 'rotate',
    })
  }
  const keep = limit(options.files, 'files', 1, 1_000_000)
  if (keep > 0 && !rotating) {
    throw new CaptureError('ERR_OPTION', 'files is only of use with rotate', { option: 'files' })
  }
  const sync = options.sync === undefined ? 'never' : options.sync
  if (sync !== 'never' && sync !== 'rotate' && !(typeof sync === 'number' && sync >= 0.01 && sync <= 3600)) {
    throw optionError('sync', "'never', 'rotate' or a number of seconds from 0.01 to 3600", sync)
  }
  const path = checkRecordPath(options.path, options.compress, rotating)
  if (path.standardOutput) {
    const wrong = (['rotate', 'files', 'minimumFree', 'sync'] as const).find((key) => options[key] !== undefined)
    if (wrong) throw new CaptureError('ERR_OPTION', `${wrong} is of no use with path '-'`, { option: wrong })
  }
  return {
    ...normaliseForm(options),
    ...path,
    held: checkCallback(options.onFile, 'onFile') !== undefined,
    keep,
    minimumFree: limit(options.minimumFree, 'minimumFree', 0, 2 ** 50, 'bytes'),
    sync: sync === 'never' ? 0 : sync === 'rotate' ? 1 : 2,
    syncMilliseconds: typeof sync === 'number' ? Math.ceil(sync * 1000) : 0,
    rotateBytes,
    rotatePackets,
    rotateMilliseconds,
    owners: checkOwners(options, options.format),
  }
}

/** Refuses `seconds` with a message that names `milliseconds`, the unit that `split` of `convertFiles` has too. */
function checkUnit(rotate: object | undefined): void {
  if (typeof rotate !== 'object' || rotate === null || !('seconds' in rotate)) return
  throw new CaptureError('ERR_OPTION', 'rotate.seconds is not an option; use rotate.milliseconds', {
    option: 'rotate.seconds',
  })
}
