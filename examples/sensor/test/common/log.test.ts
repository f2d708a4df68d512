// The log's file, from the first line to the end of the process.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { Log } from '../../src/common/log.js'

const folder = t.testdir()
const messages = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { message: string }).message)

/** Runs a program that has opened a log on `file`. */
const run = (file: string, program: string) => {
  const module = new URL('../../src/common/log.js', import.meta.url).href
  const opened = `
    const { Log } = await import(${JSON.stringify(module)})
    const log = Log.open({ level: 'info', path: ${JSON.stringify(file)} })
  `
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', opened + program], { encoding: 'utf8' })
  return [ended.status, ended.stderr]
}

t.test('a process that ends has all its lines in the file, in order', (t) => {
  const file = path.join(folder, 'ended')
  t.strictSame(run(file, `log.info('first'); log.info('last')`), [0, ''])
  t.strictSame(messages(file), ['first', 'last'])
  t.end()
})

t.test('a process that exits at once has its lines in the file', (t) => {
  const file = path.join(folder, 'exited')
  t.strictSame(run(file, `log.error('a mistake'); process.exit(2)`), [2, ''])
  t.strictSame(messages(file), ['a mistake'])
  t.end()
})

t.test('a path that cannot be written is refused', (t) => {
  t.throws(() => Log.open({ level: 'info', path: path.join(folder, 'missing', 'log') }), { code: 'ENOENT' })
  t.end()
})
