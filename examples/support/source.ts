// Where an example takes its packets from: interfaces, until Ctrl-C, or a file.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { Capture, type Chunk, openFile, type Savefile } from 'ringtap'
import { fail, showWarnings, stopOnSignal } from './command.js'
import { nameList, plural } from './format.js'
import { equation } from './ledger.js'

/** Packets in chunks, and what became of them. */
export interface Source extends AsyncIterable<Chunk> {
  /** The program's own options, as parseArgs() returns them. */
  readonly values: Record<string, unknown>
  /** Whether packets are captured, rather than read from a file. */
  readonly live: boolean
  /** How many packets there were, and how many of them were lost, for which cause. */
  summary(): string
  close(): Promise<void>
}

/**
 * Opens what the command line names: `[--read FILE] [--filter EXPRESSION] [PATTERN]`. Without a file, the interfaces whose
 * names match the pattern, as egrep reads it, are captured, also those that appear later; loopback too, if its name
 * matches. Default: `^eth`.
 *
 * @param defaults the filter, unless the command line has one; how many bytes of each packet are needed; the interface,
 *   if the command line names one interface in place of a pattern
 * @param options the program's own options, as in parseArgs()
 */
export async function openSource(
  defaults: { filter?: string; snapshotLength?: number; interface?: string } = {},
  options: ParseArgsConfig['options'] = {},
): Promise<Source> {
  const { pattern = defaults.interface ?? '^eth', read, filter = defaults.filter, values } = commandLine(options)
  if (read !== undefined) return fromFile(await openFile(read, { filter }).catch(fail), values)
  const { snapshotLength } = defaults
  const interfaces = defaults.interface === undefined ? { include: pattern, loopback: true, hotplug: true } : [pattern]
  const capture = await Capture.open({ interfaces, filter, snapshotLength }).catch(fail)
  stopOnSignal(capture)
  showWarnings(capture)
  console.log(`capturing on ${nameList(capture.interfaces) || `nothing yet: no name matches ${pattern}`}; Ctrl-C ends`)
  return {
    values,
    live: true,
    [Symbol.asyncIterator]: () => capture[Symbol.asyncIterator](),
    summary: () => equation(capture.stats()),
    close: () => capture.close(),
  }
}

function fromFile(file: Savefile, values: Source['values']): Source {
  return {
    values,
    live: false,
    // What came before a damage is shown like a whole file.
    async *[Symbol.asyncIterator]() {
      try {
        yield* file
      } catch (error) {
        console.error(`error: ${(error as Error).message}`)
        process.exitCode = 1
      }
    },
    summary: () => `${plural(file.stats().packetsRead, 'packet')} read`,
    close: () => file.close(),
  }
}

function commandLine(own: NonNullable<ParseArgsConfig['options']>) {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { ...own, read: { type: 'string', short: 'r' }, filter: { type: 'string' } },
    })
    const { read, filter, ...rest } = values as { read?: string; filter?: string }
    return { pattern: positionals[0], read, filter, values: rest }
  } catch (error) {
    fail(error)
  }
}
