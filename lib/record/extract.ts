import { randomBytes } from 'node:crypto'
import { link, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { checkGroup } from '../arguments.js'
import { type ConvertOptions, type ConvertResult, convertFiles } from '../savefile/convert-files.js'
import { checkSpan, type TimeSpan } from '../savefile/time-span.js'
import type { RecordedFile } from './recorded-file.js'

/** Options of {@link Recording.extract}, as for {@link convertFiles}. All are optional. */
export interface ExtractOptions
  extends Pick<ConvertOptions, 'filter' | 'from' | 'to' | 'interfaces' | 'keep' | 'signal' | 'onProgress'> {}

/** The result of {@link Recording.extract}. */
export interface ExtractResult extends ConvertResult {
  /** Number of files of the recording that were read. */
  readonly filesRead: number
}

const keys = ['filter', 'from', 'to', 'interfaces', 'keep', 'signal', 'onProgress'] as const

/**
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function checkExtract(given: ExtractOptions | undefined): { span: TimeSpan } & ExtractOptions {
  const options = checkGroup(given, 'options', keys)
  return { ...options, span: checkSpan(options.from, options.to) }
}

/** Copies packets out of files that may be removed at any time. @internal */
export async function extractFiles(
  files: readonly RecordedFile[],
  output: string,
  options: ConvertOptions,
): Promise<ExtractResult> {
  const links: string[] = []
  try {
    const inputs: string[] = []
    for (const { path } of files) {
      const held = await hold(path)
      if (held === undefined) continue
      inputs.push(held)
      if (held !== path) links.push(held)
    }
    if (inputs.length === 0) return { files: [], packets: 0, written: 0, otherLinkType: 0, warnings: [], filesRead: 0 }
    return { ...(await convertFiles(inputs, output, { ...options, order: 'given' })), filesRead: inputs.length }
  } finally {
    await Promise.all(links.map((path) => rm(path, { force: true })))
  }
}

/** Gives a file another name, under which it stays if it is removed; `undefined` if it was removed already. */
async function hold(path: string): Promise<string | undefined> {
  const held = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.extract`)
  try {
    await link(path, held)
    return held
  } catch (error) {
    // Some file systems have no links.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : path
  }
}
