/** Where spooled batches are kept: on disk, or in memory where no path is set. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, rmdir, statfs } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Log } from '../common/log.js'

export interface SpoolStore {
  /** Whether it outlives the process. */
  readonly lasting: boolean
  /** @throws Error, with the code ENOSPC among others; nothing is left of the file then. */
  write(name: string, parts: readonly Uint8Array[]): Promise<void>
  /** Replaces the journal: at most {@link journalLength} bytes, which the next start reads if this one is killed. */
  writeJournal(text: string): void
  read(name: string): Promise<Uint8Array>
  remove(name: string): Promise<void>
  /** Bytes that may still be written to the disk; `undefined`: not limited by a disk. */
  free(): Promise<number | undefined>
  close(): Promise<void>
}

export class MemoryStore implements SpoolStore {
  readonly lasting: boolean = false
  readonly #files = new Map<string, Uint8Array>()

  async write(name: string, parts: readonly Uint8Array[]): Promise<void> {
    this.#files.set(name, Buffer.concat(parts))
  }

  async read(name: string): Promise<Uint8Array> {
    const file = this.#files.get(name)
    if (!file) throw new Error(`${name} is not in the spool`)
    return file
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name)
  }

  writeJournal(): void {}

  async free(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#files.clear()
  }
}

/** The end of the name of a file that is being written. */
const unfinished = '.tmp'

/** The name of a batch's file, whole or not. */
const batchFile = /\.batch(\.tmp)?$/

/** Bytes of a journal; a write of them is atomic for readers that come after the writer's end. */
export const journalLength = 4096

const journal = 'journal'

/** The socket in a folder whose owner lives: the kernel refuses connections to it once the process is gone. */
const lock = 'lock'

/** The lock of a folder that is being taken over, in the folder of the one that does so. */
const claimed = 'claimed'

/**
 * A folder of its own below the spool's path, so that two sensors may share the path while one replaces the other. What
 * a process that is gone has left in its folder is taken over by one that lives.
 */
export class DiskStore implements SpoolStore {
  readonly lasting = true
  readonly #path: string
  readonly #folder: string
  readonly #server: Server
  readonly #journal: number

  private constructor(path: string, folder: string, server: Server) {
    this.#path = path
    this.#folder = folder
    this.#server = server
    this.#journal = openSync(join(folder, journal), 'w', 0o640)
  }

  /** @throws Error if the folder cannot be created below `path`. */
  static async open(path: string): Promise<DiskStore> {
    for (let attempt = 1; ; attempt++) {
      const folder = join(path, randomBytes(8).toString('hex'))
      await mkdir(folder, { recursive: true, mode: 0o750 })
      try {
        return new DiskStore(path, folder, await listen(join(folder, lock)))
      } catch (error) {
        // Another sensor may have removed the folder in between: it was empty, and had no owner yet.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw error
      }
    }
  }

  /**
   * As {@link open}, but `undefined` if the disk is full, with a line in the log: the sensor captures all the same.
   *
   * @throws Error if the folder cannot be created for another reason.
   */
  static async openUnlessFull(path: string, log: Log): Promise<DiskStore | undefined> {
    try {
      return await DiskStore.open(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      log.error(`the spool's disk is full, so the spool is in memory until the next start: ${(error as Error).message}`)
      return undefined
    }
  }

  async write(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = join(this.#folder, name)
    const temporary = `${path}${unfinished}`
    try {
      const file = await open(temporary, 'wx', 0o640)
      try {
        // Not synced: most files are removed before the kernel writes them to the disk. They outlive the process, and
        // one that the crash of the machine has cut is recognised by its length and digest.
        for (const part of parts) await file.writeFile(part)
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  writeJournal(text: string): void {
    writeSync(this.#journal, text.padEnd(journalLength), 0)
  }

  read(name: string): Promise<Uint8Array> {
    return readFile(join(this.#folder, name))
  }

  /** The first bytes of a file, and its size. */
  async readStart(name: string, length: number): Promise<{ readonly start: Uint8Array; readonly size: number }> {
    const file = await open(join(this.#folder, name))
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0)
      return { start: buffer.subarray(0, bytesRead), size: (await file.stat()).size }
    } finally {
      await file.close()
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true })
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder)
    return bavail * bsize
  }

  /**
   * Moves the files of folders without an owner into this one.
   *
   * @returns for each folder the names of its files, and its journal if it has one; and the bytes in folders of other
   *   owners
   */
  async adopt(): Promise<{ readonly folders: readonly Adopted[]; readonly elsewhere: number }> {
    const folders: Adopted[] = []
    let elsewhere = 0
    for (const entry of await readdir(this.#path, { withFileTypes: true })) {
      const folder = join(this.#path, entry.name)
      if (!entry.isDirectory() || !/^[0-9a-f]{16}$/.test(entry.name) || folder === this.#folder) continue
      const owner = await ownerOf(join(folder, lock))
      if (owner === 'alive') elsewhere += await sizeOf(folder)
      else if (owner === 'none' || (await this.#claim(folder))) folders.push(await this.#take(folder, owner === 'gone'))
    }
    return { folders, elsewhere }
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
    closeSync(this.#journal)
    // With nothing left in it there is nothing to account for.
    const left = await readdir(this.#folder)
    if (left.every((name) => name === journal)) await rm(this.#folder, { recursive: true, force: true })
  }

  /** Makes this sensor the only one that takes the folder over; false if another one was faster. */
  async #claim(folder: string): Promise<boolean> {
    try {
      await rename(join(folder, lock), join(this.#folder, claimed))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  async #take(folder: string, withJournal: boolean): Promise<Adopted> {
    const names: string[] = []
    let text: string | undefined
    for (const name of await readdir(folder).catch(() => [])) {
      if (name === journal) {
        // Without the claim, somebody else has taken a part of the files: the journal is not for the rest.
        if (withJournal) text = await readFile(join(folder, name), 'utf8')
        continue
      }
      // Others are not ours, or what a sensor that was killed while it took over a folder had claimed that by.
      if (!batchFile.test(name)) continue
      // A file that was being written has its whole content, or not: the reader finds out.
      const whole = name.endsWith(unfinished) ? name.slice(0, -unfinished.length) : name
      try {
        await rename(join(folder, name), join(this.#folder, whole))
        names.push(whole)
      } catch (error) {
        // Another sensor was faster.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    await rm(join(folder, journal), { force: true })
    await rm(join(folder, claimed), { force: true })
    await rm(join(this.#folder, claimed), { force: true })
    await rmdir(folder).catch(() => {})
    return { names, journal: text }
  }
}

/** What was in a folder that was taken over. */
export interface Adopted {
  readonly names: readonly string[]
  readonly journal: string | undefined
}

function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

/** Whether the process lives that listens on a folder's socket; `none`: there is no socket. */
function ownerOf(path: string): Promise<'alive' | 'gone' | 'none'> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve('alive')
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code === 'ECONNREFUSED' ? 'gone' : code === 'ENOENT' ? 'none' : 'alive')
    })
  })
}

/** Bytes that a file takes up on a disk: whole blocks. */
export function roomOf(size: number): number {
  return Math.ceil(size / 4096) * 4096
}

async function sizeOf(folder: string): Promise<number> {
  let size = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const match = /-(\d+)\.batch$/.exec(name)
    if (match) size += roomOf(Number(match[1]))
  }
  return size
}
