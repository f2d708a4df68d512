import { createRequire } from 'node:module'
import path from 'node:path'

const library = path.dirname(createRequire(import.meta.url).resolve('ringtap'))

/** The command of this tree, as built. */
export const ringtapCommand: readonly string[] = [process.execPath, path.join(library, 'cli', 'main.js')]
