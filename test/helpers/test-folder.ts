import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'

/** A folder of a test's own, which goes with it, and names in it. */
export class TestFolder {
  readonly path: string
  #made = 0

  constructor(t: { teardown(end: () => void): unknown }) {
    // Not tap's own, which has one name for all runs of a test: one run would clear away what the other has.
    this.path = mkdtempSync(join(tmpdir(), 'ringtap-'))
    t.teardown(() => rmSync(this.path, { recursive: true }))
  }

  /** A path in it. */
  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  /** The path of a file that is not there yet. */
  fresh(extension = 'pcapng'): string {
    return this.file(`trace${++this.#made}.${extension}`)
  }

  /** The names in it that are hidden: of files that are not complete. */
  hidden(): string[] {
    return hiddenIn(this.path)
  }
}

/** The names in a folder that are hidden: of files that are not complete. */
export function hiddenIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.'))
}

/** The complete files, in order, of a recording to this path that is rotated: `trace1-000001.pcapng` for `trace1.pcapng`. */
export function rotated(path: string): string[] {
  const start = `${basename(path, extname(path))}-`
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start))
    .sort()
    .map((name) => join(dirname(path), name))
}
