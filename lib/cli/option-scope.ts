// Which options are for live captures alone, and the errors for options that a command cannot obey.
import type { Command, Option } from 'commander'
import { UsageError } from './report-error.js'

/** Options that have no meaning for a file, by the name of their value, each with the reason. */
const liveOnly: Readonly<Record<string, string>> = {
  snapshotLength: 'packets are cut to it as they arrive',
  direction: 'the kernel selects packets by it as they pass',
  loopback: 'every interface of a file can be selected',
  hotplug: 'no interface appears in a file',
  promiscuous: 'it is a mode of an interface',
  dedupe: 'duplicates are found as packets pass',
  sample: 'the kernel chooses the flows as their packets pass',
  sampleSeed: 'the kernel chooses the flows as their packets pass',
  slice: 'packets are cut as they arrive',
  cutoff: 'the kernel counts the bytes of connections as they pass',
  netns: 'a file is in no network namespace',
  owners: 'the sockets of its packets are gone',
  buffer: 'a file is read without a ring',
  ringCpus: 'a file is read without a ring',
  ringMode: 'a file is read without a ring',
  backend: 'a file is read without one',
  fileSize: '"ringtap convert" splits a file',
  seconds: '"ringtap convert" splits a file',
  files: '"ringtap convert" splits a file',
  command: 'it runs on the files of a recording',
}

const given = (command: Command, option: Option) => command.getOptionValueSource(option.attributeName()) === 'cli'

/** The flag of an option as users write it: the short one if there is one. */
const flagOf = (option: Option) => option.short ?? option.long ?? option.flags

/**
 * Checks that no option for live captures is given together with `-r FILE`.
 *
 * @throws UsageError
 */
export function checkScope(command: Command): void {
  const read = command.options.find((option) => option.attributeName() === 'read')
  if (read === undefined || !given(command, read)) return
  for (const option of command.options) {
    const reason = liveOnly[option.attributeName()]
    if (reason !== undefined && given(command, option))
      throw new UsageError(`${flagOf(option)} is for live captures, and -r reads a file: ${reason}`)
  }
}

/**
 * Why a command does not have an option that another command has; `undefined` if none has it.
 *
 * @param flag As typed: with a value behind it, perhaps.
 */
export function whyUnknown(command: Command, flag: string): string | undefined {
  const name = flag.startsWith('--') ? flag.replace(/=.*/s, '') : flag.slice(0, 2)
  const others = (command.parent?.commands ?? [])
    .map((other) => ({ other, option: other.options.find(({ short, long }) => short === name || long === name) }))
    .filter(({ option }) => option !== undefined)
  if (others.length === 0) return undefined
  const ofCapture = others.find(({ other }) => other.name() === 'capture')?.option
  const reason = ofCapture && takesFile(command) && liveOnly[ofCapture.attributeName()]
  if (reason) return `${name} is for live captures, and "ringtap ${command.name()}" reads a file: ${reason}`
  const names = others.map(({ other }) => other.name())
  const last = names.pop()
  return `${name} is an option of ${names.length > 0 ? `${names.join(', ')} and ` : ''}${last}`
}

const takesFile = (command: Command) => command.registeredArguments.some((one) => /^files?$/.test(one.name()))
