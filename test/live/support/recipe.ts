import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Outcome, Running } from '../../helpers/command.js'
import { waitUntil } from './wait.js'

/** The root of the source tree, relative to dist/work/test/live/support. */
const root = new URL('../../../../../', import.meta.url)

/** The first code block of a page of docs/recipes/ in a language. */
export function blockOf(name: string, language: 'ts' | 'sh'): string {
  const page = readFileSync(new URL(`docs/recipes/${name}.md`, root), 'utf8')
  const code = new RegExp(`^\`\`\`${language}( run)?\\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[2]
  if (code === undefined) throw new Error(`docs/recipes/${name}.md has no block in ${language}`)
  return code
}

/**
 * Writes the program of a recipe into a folder of its own within the tree, so that its imports are found, and returns the
 * path. The programs are JavaScript as they stand.
 */
export function programOf(t: { teardown(end: () => void): unknown }, name: string): string {
  const build = fileURLToPath(new URL('build/', root))
  mkdirSync(build, { recursive: true })
  const folder = mkdtempSync(`${build}recipe-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = `${folder}/${name}.mjs`
  writeFileSync(path, blockOf(name, 'ts'))
  return path
}

/** A running program of docs/recipes/, with the library's debug log on its standard error. */
export class Recipe extends Running {
  constructor(t: { teardown(end: () => void): unknown }, name: string, args: string[] = []) {
    // Without tap's loader, which writes a file at the end: a program that gives up its privileges may not.
    super(t, 'env', ['-u', 'NODE_OPTIONS', 'NODE_DEBUG=ringtap', process.execPath, programOf(t, name), ...args])
    this.child.stdout.setEncoding('utf8')
  }

  /**
   * Resolves when the program has opened its capture and waits for packets: everything that is sent from then on is
   * captured, and signals find their listeners.
   */
  async capturing(): Promise<void> {
    await this.said(/: capture 1: open: /)
    let sleeping = 0
    await waitUntil(() => {
      // The state follows the name, which is in parentheses; see proc_pid_stat(5).
      const [state] = readFileSync(`/proc/${this.child.pid}/stat`, 'latin1').split(') ').slice(-1)
      sleeping = state?.startsWith('S') ? sleeping + 1 : 0
      return sleeping === 5
    }, 'the program to wait for packets')
  }

  /** Resolves when standard output matches. */
  async printed(what: RegExp): Promise<void> {
    await waitUntil(
      () => what.test(this.stdout),
      `${what}`,
      undefined,
      () => [this.stdout, this.stderr],
    )
  }

  /** Ends the program in order; its standard error without the debug log. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Outcome> {
    this.child.kill(signal)
    return this.over()
  }

  /** Resolves when the program has ended by itself; its standard error without the debug log. */
  async over(): Promise<Outcome> {
    const { code, stdout, stderr } = await this.end()
    const own = stderr.split('\n').filter((line) => !line.startsWith('RINGTAP '))
    return { code, stdout, stderr: own.join('\n') }
  }
}
