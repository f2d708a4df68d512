import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { ExitCode } from './exit-codes.js'
import { warn } from './output.js'
import { UsageError } from './report-error.js'

/**
 * The command of `-z`, run on each finished file. Its words are separated by spaces, and the path of the file is
 * its last argument. No shell takes part, so nothing in a path or in the command is expanded.
 */
export class FileCommand {
  readonly #program: string
  readonly #words: readonly string[]

  /** @throws UsageError There is no such program. */
  constructor(command: string) {
    const { program, words } = parseCommand(command)
    this.#program = program
    this.#words = words
  }

  /** Runs the command on a file, and resolves when it has ended; a failure becomes a warning and the exit code. */
  async run(file: string): Promise<void> {
    // A path that begins with a dash would be taken for an option.
    const args = [...this.#words, file.startsWith('-') ? `./${file}` : file]
    const failure = await new Promise<string | undefined>((resolve) => {
      // In a process group of its own: Ctrl-C ends the capture, and must not end the command on the last file.
      const child = spawn(this.#program, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)))
    })
    if (failure === undefined) return
    warn(`${[this.#program, ...args].join(' ')}: ${failure}`)
    process.exitCode = ExitCode.Failed
  }
}

/** @throws UsageError There is no such program. */
export function parseCommand(command: string): { program: string; words: readonly string[] } {
  const [program, ...words] = command.split(/\s+/).filter((word) => word !== '')
  if (program === undefined) throw new UsageError('-z needs the name of a program')
  if (!isProgram(program)) throw new UsageError(`-z: there is no program "${program}"`)
  return { program, words }
}

function isProgram(name: string): boolean {
  const folders = name.includes('/') ? [''] : (process.env['PATH'] ?? '').split(path.delimiter)
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
