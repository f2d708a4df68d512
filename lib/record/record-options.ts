import { checkGroup, checkInteger } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { checkOutputPath } from '../savefile/output-path.js'
import { formKeys, normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import type { NativeRecordOptions } from './native.js'

/** When a file of a recording is complete and the next one begins: when the first of these limits is reached. */
export interface RotateOptions {
  /** Maximum number of bytes of a file, at least 4096; a single packet may exceed it. Default: no limit. */
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
export interface RecordOptions extends SavefileFormOptions {
  /**
   * Path of the file. In it `%Y %m %d %H %M %S` are replaced by the time at which the file is created (UTC), `%i` for
   * its number (six digits, from 000001), and `%%` for a percent sign. With `rotate` and without `%i` the number is
   * inserted before the extension: `trace.pcapng` gives `trace-000001.pcapng`.
   *
   * While it is written, a file has a hidden name, `.trace-000001.pcapng.partial`; it gets its own name when it is
   * complete. Existing files are never overwritten: numbers that are in use are skipped, and a name without a number is
   * refused. A file that a killed process leaves under its hidden name can be read up to its last block.
   *
   * Files are readable and writable for their owner alone (mode 0600).
   */
  path: string
  /** When to begin another file. Default: never, one file. */
  rotate?: RotateOptions | undefined
  /**
   * Number of complete files of this recording to keep, 1 to 1000000; older ones are removed. Only with `rotate`.
   * Default: all.
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
export type NormalisedRecordOptions = Omit<NativeRecordOptions, 'linkType' | 'filter'>

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function normaliseRecordOptions(given: RecordOptions): NormalisedRecordOptions {
  if (given === undefined) throw optionError('options', 'an object with a path', given)
  const options = checkGroup(given, 'options', ['path', 'rotate', 'files', 'minimumFree', 'sync', ...formKeys])
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
  return {
    ...normaliseForm(options),
    path: normalisePath(options.path, rotating),
    keep,
    minimumFree: limit(options.minimumFree, 'minimumFree', 0, 2 ** 50, 'bytes'),
    sync: sync === 'never' ? 0 : sync === 'rotate' ? 1 : 2,
    syncMilliseconds: typeof sync === 'number' ? Math.ceil(sync * 1000) : 0,
    rotateBytes,
    rotatePackets,
    rotateMilliseconds,
  }
}

/** Refuses `seconds` with a message that names `milliseconds`, the unit that `split` of `convertFiles` has too. */
function checkUnit(rotate: object | undefined): void {
  if (typeof rotate !== 'object' || rotate === null || !('seconds' in rotate)) return
  throw new CaptureError('ERR_OPTION', 'rotate.seconds is not an option; use rotate.milliseconds', {
    option: 'rotate.seconds',
  })
}

function normalisePath(path: string, rotating: boolean): string {
  const numbered = checkOutputPath(path, 'path')
  if (numbered || !rotating) return path
  return path.replace(/(?<=[^/])(\.[^./]*)?$/, '-%i$1')
}
