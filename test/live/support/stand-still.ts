import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertInside } from './namespace.js'

/**
 * Stops this process with all its threads while a shell runs the script. Kernel events queue up meanwhile, and are
 * lost if the socket's buffer overflows.
 *
 * @param script for sh; `$PPID` is this process, and `$1` a file that holds the lines
 * @param lines for example many commands for `ip -batch "$1"`
 * @throws Error with the script's error output if it fails.
 */
export function standStill(script: string, lines: readonly string[] = []): void {
  assertInside()
  const folder = mkdtempSync(join(tmpdir(), 'ringtap-standstill-'))
  try {
    // A file rather than a pipe: this process cannot write while it is stopped.
    const file = join(folder, 'lines')
    writeFileSync(file, `${lines.join('\n')}\n`)
    const whole = `set -e; trap 'kill -CONT $PPID' EXIT; kill -STOP $PPID; ${script}`
    const { status, stderr, error } = spawnSync('sh', ['-c', whole, 'sh', file], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`"${script}" failed: ${error?.message ?? (stderr.trim() || `code ${status}`)}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
