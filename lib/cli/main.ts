#!/usr/bin/env node
// The command `ringtap`.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes.js'
import { whyUnknown } from './option-scope.js'
import { OutputClosed, watchOutput } from './output.js'
import { program } from './program.js'
import { reportError } from './report-error.js'
import { printableLines, wrapped } from './terminal.js'

function version(): string {
  const manifest = path.join(__dirname, '..', '..', '..', 'package.json')
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** Errors of the parser as exceptions, and what the user typed without control characters. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, print) =>
      print(wrapped(`ringtap: ${printableLines(explained(command, text.replace(/^error: /, '')))}`, process.stderr)),
  })
  for (const one of command.commands) prepare(one)
}

/** An error of the parser, with the reason why an option that exists elsewhere is unknown here. */
function explained(command: Command, text: string): string {
  const flag = /^unknown option '(-[^']*)'/.exec(text)?.[1]
  const reason = flag === undefined ? undefined : whyUnknown(command, flag)
  return reason === undefined ? text : `${text.slice(0, text.indexOf('\n'))}: ${reason}\n`
}

/** Wireshark passes no name of a command. */
function commandLine(): string[] {
  const [node = '', script = '', ...words] = process.argv
  const byWireshark = words[0] !== 'extcap' && words.some((word) => word.startsWith('--extcap-'))
  return [node, script, ...(byWireshark ? ['extcap'] : []), ...words]
}

async function main(): Promise<number> {
  watchOutput()
  const root = program(version())
  prepare(root)
  try {
    await root.parseAsync(commandLine())
    return ExitCode.Ok
  } catch (error) {
    if (error instanceof OutputClosed) return ExitCode.Ok
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage
    return reportError(error)
  }
}

void main().then((code) => {
  process.exitCode ||= code
})
