#!/usr/bin/env node
// The command `ringtap`.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes.js'
import { whyUnknown } from './option-scope.js'
import { OutputClosed, watchOutput, write } from './output.js'
import { program } from './program.js'
import { reportError } from './report-error.js'
import { printableLines, wrapped } from './terminal.js'

function version(): string {
  const manifest = path.join(__dirname, '..', '..', '..', 'package.json')
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** What the parser prints on standard output: a help text, or the version. */
let printed = ''

/** Errors of the parser as exceptions, and what the user typed without control characters. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => {
      printed += text
    },
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

async function print(): Promise<number> {
  try {
    await write(printed)
    return ExitCode.Ok
  } catch (error) {
    return error instanceof OutputClosed ? ExitCode.Ok : reportError(error)
  }
}

async function main(): Promise<number> {
  watchOutput()
  const root = program(version())
  prepare(root)
  try {
    await root.parseAsync(commandLine())
    return ExitCode.Ok
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return print()
    if (error instanceof CommanderError) return ExitCode.Usage
    if (error instanceof OutputClosed) return ExitCode.Ok
    return reportError(error)
  }
}

void main().then((code) => {
  process.exitCode ||= code
})
