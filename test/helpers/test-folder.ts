import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'

/** A folder for one test, removed at its end, with methods for paths in it. */
export class TestFolder {
  readonly path: string
  #made = 0

  constructor(t: { teardown(end: () => void): unknown }) {
    // Not tap's testdir(): it has the same path for all runs of a test, so one run would delete the files of another.
    this.path = mkdtempSync(join(tmpdir(), 'ringtap-'))
    t.teardown(() => rmSync(this.path, { recursive: true }))
  }

  /** Returns a path in the folder. */
  file(...names: string[]): string {
    return join(this.path, ...names)
  }

  /** Returns the path of a file that does not exist yet. */
  fresh(extension = 'pcapng'): string {
    return this.file(`trace${++this.#made}.${extension}`)
  }

  /** Writes a new file, and returns its path. */
  write(bytes: Uint8Array): string {
    const path = this.file(`${++this.#made}`)
    writeFileSync(path, bytes)
    return path
  }

  /** Names of the hidden files in the folder, which are incomplete files. */
  hidden(): string[] {
    return hiddenIn(this.path)
  }
}

/** Names of the hidden files in a folder, which are incomplete files. */
export function hiddenIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.'))
}

/** The complete files, in order, of a rotated recording to this path: `trace1-000001.pcapng` for `trace1.pcapng`. */
export function rotated(path: string): string[] {
  const start = `${basename(path, extname(path))}-`
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start))
    .sort()
    .map((name) => join(dirname(path), name))
}
