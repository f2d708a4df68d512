// The command line as data, read from the parser: the source of shell completions and of the manual page.
import type { Argument, Command, Option } from 'commander'

/** What a value is, for its completion. */
export type ValueKind = 'file' | 'interface' | 'program' | 'choice' | 'other'

export interface Value {
  /** Its name in the help. */
  readonly name: string
  readonly kind: ValueKind
  readonly choices: readonly string[]
}

export interface OptionSurface {
  readonly short: string | undefined
  readonly long: string | undefined
  readonly value: Value | undefined
  readonly description: string
}

export interface CommandSurface {
  readonly name: string
  readonly aliases: readonly string[]
  readonly description: string
  readonly usage: string
  readonly arguments: readonly (Value & { readonly variadic: boolean })[]
  readonly options: readonly OptionSurface[]
}

const kinds: Readonly<Record<string, ValueKind>> = {
  file: 'file',
  files: 'file',
  path: 'file',
  pattern: 'interface',
  patterns: 'interface',
  name: 'interface',
  command: 'program',
}

function valueSurface(name: string, choices: readonly string[] | undefined): Value {
  return { name, kind: choices ? 'choice' : (kinds[name] ?? 'other'), choices: choices ?? [] }
}

function optionSurface(option: Option): OptionSurface {
  const name = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1]
  return {
    short: option.short,
    long: option.long,
    value: name === undefined ? undefined : valueSurface(name, option.argChoices),
    description: option.description,
  }
}

const argumentSurface = (argument: Argument) => ({
  ...valueSurface(argument.name(), argument.argChoices),
  variadic: argument.variadic,
})

/** The commands of a parser, without `help`. */
export function surfaceOf(root: Command): CommandSurface[] {
  return root.commands.map((command) => ({
    name: command.name(),
    aliases: command.aliases(),
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map(argumentSurface),
    options: command.createHelp().visibleOptions(command).map(optionSurface),
  }))
}
