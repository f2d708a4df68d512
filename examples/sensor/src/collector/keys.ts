/** The keys of the sensors, from a file. */
import { readFile, stat } from 'node:fs/promises'
import { isSensorName } from '../wire/identity.js'

/** Characters of a key at least. */
const shortestKey = 16

export class KeysError extends Error {
  override readonly name = 'KeysError'
}

export class Keys {
  #keys: ReadonlyMap<string, Uint8Array>
  #version = ''

  /**
   * Reads a file with a line `SENSOR KEY` for each sensor. The sensor `*` stands for those without a line of their own.
   * Empty lines and lines that begin with `#` are skipped.
   *
   * @throws KeysError; the error of the system
   */
  static async open(file: string): Promise<Keys> {
    const keys = new Keys(new Map(), file)
    await keys.reload()
    return keys
  }

  /** Keys of sensors by name, without a file. */
  static of(keys: Readonly<Record<string, string>>): Keys {
    return new Keys(new Map(Object.entries(keys).map(([sensor, key]) => [sensor, Buffer.from(key)])))
  }

  private constructor(
    keys: ReadonlyMap<string, Uint8Array>,
    readonly file?: string,
  ) {
    this.#keys = keys
  }

  get(sensor: string): Uint8Array | undefined {
    return this.#keys.get(sensor) ?? this.#keys.get('*')
  }

  /**
   * Reads the file again if it has changed, and returns whether it has. After an error the keys are as before.
   *
   * @throws KeysError; the error of the system
   */
  async reload(): Promise<boolean> {
    if (this.file === undefined) return false
    const { mtimeMs, size, ino } = await stat(this.file)
    const version = `${mtimeMs} ${size} ${ino}`
    if (version === this.#version) return false
    this.#keys = parse(await readFile(this.file, 'utf8'), this.file)
    this.#version = version
    return true
  }
}

function parse(text: string, file: string): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>()
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [sensor, key, ...more] = line.trim().split(/\s+/) as [string, ...string[]]
    // Never the line itself: it may be a key.
    const wrong = (what: string) => new KeysError(`${file}:${at + 1}: ${what}`)
    if (sensor !== '*' && !isSensorName(sensor)) throw wrong('the first word is not the name of a sensor')
    if (key === undefined || more.length > 0) throw wrong('expected the name of a sensor and its key')
    if (key.length < shortestKey) throw wrong(`the key of ${sensor} is shorter than ${shortestKey} characters`)
    if (keys.has(sensor)) throw wrong(`a second key of ${sensor}`)
    keys.set(sensor, Buffer.from(key))
  }
  if (keys.size === 0) throw new KeysError(`${file}: there is no key in it`)
  return keys
}
