import { checkGroup, checkInteger } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { checkOutputPath } from '../savefile/output-path.js'
import { formKeys, normaliseForm, type SavefileFormOptions } from '../savefile/savefile-form.js'
import type { NativeRecordOptions } from './native.js'

/** When a file is complete and the next one begun; whichever comes first. */
export interface RotateOptions {
  /** Bytes that a file has at most, unless a single packet has more. At least 4096. */
  size?: number | undefined
  /** Milliseconds from the moment at which a file's first packet is written, 10 to 1e9. A file without packets is not rotated. */
  milliseconds?: number | undefined
  /** Packets that a file has. */
  packets?: number | undefined
}

/** What {@link Capture.record} takes. */
export interface RecordOptions extends SavefileFormOptions {
  /**
   * Where to. `%Y %m %d %H %M %S` stand for the time at which the file is begun (UTC), `%i` for its number (six digits, from
   * 000001), `%%` for a percent sign. With `rotate` and without `%i`, the number is put in before the extension:
   * `trace.pcapng` makes `trace-000001.pcapng`.
   *
   * While it is written a file has a hidden name, `.trace-000001.pcapng.partial`; its own name it gets when it is
   * complete. What is there already is never written over: numbers that are taken are passed over, and a name without a
   * number is refused. What a killed process leaves behind under a hidden name can be read up to its last block.
   *
   * Packets are not for everybody's eyes: files are readable and writable for their owner alone (mode 0600).
   */
  path: string
  /** When to begin another file. Default: never, one file. */
  rotate?: RotateOptions | undefined
  /** Complete files of this recording to keep: older ones are removed. Only with `rotate`. Default: all. */
  files?: number | undefined
  /**
   * Bytes of the disk to leave free for others. With `files`, the oldest ones are removed for that; where that is not
   * enough, the recording ends as it does when the disk is full. Default 0.
   */
  minimumFree?: number | undefined
  /**
   * When data are made to reach the disk itself (fsync(2)), so that they survive a power cut: `'never'`, the system does it
   * in its own time; `'rotate'`, with each file before it gets its name; a number: that, and at least every so many
   * seconds. Waiting for the disk is done beside the capture, not in it. Default `'never'`.
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

/** The unit is that of `split` of `convertFiles`. */
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
