#!/usr/bin/env node
// The command `ringtap`.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes.js'
import { OutputClosed, watchOutput } from './output.js'
import { program } from './program.js'
import { reportError } from './report-error.js'
import { printableLines } from './terminal.js'

function version(): string {
  const manifest = path.join(__dirname, '..', '..', '..', 'package.json')
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** Errors of the parser as exceptions, and what the user typed without control characters. */
function prepare(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, print) => print(`ringtap: ${printableLines(text.replace(/^error: /, ''))}`),
  })
  for (const one of command.commands) prepare(one)
}

async function main(): Promise<number> {
  watchOutput()
  const root = program(version())
  prepare(root)
  try {
    await root.parseAsync(process.argv)
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
