import { CaptureError, type CaptureErrorCode } from '../index.js'
import { ExitCode } from './exit-codes.js'
import { note } from './output.js'
import { oneLine, wrapped } from './terminal.js'

/** A mistake on the command line that the parser cannot find. */
export class UsageError extends Error {}

const usage: ReadonlySet<CaptureErrorCode> = new Set<CaptureErrorCode>([
  'ERR_OPTION',
  'ERR_PATTERN',
  'ERR_FILTER_SYNTAX',
  'ERR_FILTER_TOO_LARGE',
  'ERR_NO_INTERFACE',
])

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.Usage
  if (!(error instanceof CaptureError)) return ExitCode.Failed
  // A file that may not be read is a failure like others: the doctor has no advice on it.
  if (error.code === 'ERR_PERMISSION' && error.syscall !== 'open') return ExitCode.Denied
  if (error.code === 'ERR_NATIVE_UNAVAILABLE') return ExitCode.Denied
  return usage.has(error.code) ? ExitCode.Usage : ExitCode.Failed
}

/** What the library calls an option is on the command line another word. */
const flags: readonly (readonly [RegExp, string])[] = [
  [/\binterfaces\.include(\[\d+\])?/g, '-i'],
  [/\binterfaces\.exclude(\[\d+\])?/g, '-x'],
  [/\bsnapshotLength\b/g, '-s'],
  [/\bsample\.flows\b/g, '--sample'],
  [/\bsample\.seed\b/g, '--sample-seed'],
  [/\bcutoff\.bytes\b/g, '--cutoff'],
  [/^(sample|slice|cutoff)(?= (is|must) )/g, '--$1'],
  [/"loopback: true"/g, '--loopback'],
  [/"backend: 'pcap'"/g, '--backend pcap'],
  [/\bbackend: 'pcap'/g, '--backend pcap'],
  [/\brotate\.size\b/g, '-C'],
  [/\brotate\.milliseconds\b/g, '-G'],
]

/** A message of the library in the words of the command line, on one line. */
export function inFlags(message: string): string {
  return oneLine(flags.reduce((text, [name, flag]) => text.replace(name, flag), message))
}

/** Reports an error as one sentence, without a stack trace, and returns the exit code. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error)
  note(wrapped(`ringtap: ${inFlags(message)}`, process.stderr))
  const code = exitCodeOf(error)
  if (code === ExitCode.Denied) note('ringtap: "ringtap doctor" shows what is missing and every way to grant it.')
  return code
}
