import { type ConvertOptions, convertFiles } from '../index.js'
import { compressionOf, fileSizeUnit, formatOf } from './file-options.js'
import { interruption, onInterrupt } from './interrupt.js'
import { note, warn } from './output.js'
import { progressOn } from './progress.js'
import { UsageError } from './report-error.js'
import { amount, grouped, oneLine, StatusLine } from './terminal.js'

export interface ConvertCommandOptions {
  readonly filter?: string
  readonly interface?: string[]
  readonly exclude?: string[]
  readonly fileSize?: number
  readonly seconds?: number
  readonly count?: number
  readonly format?: 'pcap' | 'pcapng'
  readonly damaged?: 'fail' | 'keep'
}

/** `ringtap convert` and `merge`: one or more savefiles, by time, into one or more. The last path is the output. */
export async function convertCommand(files: string[], options: ConvertCommandOptions): Promise<void> {
  const output = files.at(-1)
  if (output === undefined || files.length < 2)
    throw new UsageError('name at least one input, and the output as the last')
  if (compressionOf(output) !== undefined)
    throw new UsageError(`${output}: convert does not compress; "ringtap -r FILE -w ${output}" does, of one file`)
  const { interface: include, exclude, fileSize, seconds, count } = options
  const splits = fileSize !== undefined || seconds !== undefined || count !== undefined
  const abort = new AbortController()
  const status = new StatusLine()
  const showProgress = progressOn(status)
  const end = onInterrupt(() => abort.abort())
  const settings: ConvertOptions = {
    filter: options.filter,
    format: options.format ?? formatOf(output),
    damaged: options.damaged,
    signal: abort.signal,
    onProgress: ({ bytesRead, bytesTotal, packets }) => showProgress(bytesRead, bytesTotal, packets),
    ...((include ?? exclude) && { interfaces: { include, exclude, loopback: true } }),
    ...(splits && {
      split: {
        bytes: fileSize === undefined ? undefined : fileSize * fileSizeUnit,
        milliseconds: seconds === undefined ? undefined : seconds * 1000,
        packets: count,
      },
    }),
  }
  try {
    const result = await convertFiles(files.slice(0, -1), output, settings)
    status.clear()
    for (const warning of result.warnings) warn(warning)
    const where = result.files.map((file) => oneLine(file.path)).join(', ')
    note(`${amount(result.packets, 'packet')} read, ${grouped(result.written)} written to ${where}`)
  } catch (error) {
    if (abort.signal.aborted) throw interruption()
    throw error
  } finally {
    end()
    status.clear()
  }
}
