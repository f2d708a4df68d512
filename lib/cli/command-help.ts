// What the help of a command has beside its options: one source for --help and for the manual page.
import type { Command } from 'commander'

/** A command line, and what it does; the text may be empty. */
export type Example = readonly [line: string, what: string]

interface Extra {
  readonly examples: Example[]
  readonly notes: string[]
}

const extras = new WeakMap<Command, Extra>()

/** The examples and notes of a command. */
export function extraOf(command: Command): Extra {
  const extra = extras.get(command) ?? { examples: [], notes: [] }
  extras.set(command, extra)
  return extra
}

export function addExamples(command: Command, examples: readonly Example[]): Command {
  extraOf(command).examples.push(...examples)
  const width = Math.max(...examples.map(([line]) => line.length))
  const text = examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`.trimEnd()).join('\n')
  return command.addHelpText('after', `\nExamples:\n${text}`)
}

/** Adds a paragraph, wrapped at the width of the terminal. */
export function addNote(command: Command, text: string): Command {
  extraOf(command).notes.push(text)
  const width = () => (process.stdout.isTTY && process.stdout.columns) || 80
  return command.addHelpText('after', () => `\n${command.createHelp().boxWrap(text, width())}`)
}
