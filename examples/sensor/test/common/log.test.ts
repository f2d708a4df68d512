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

t.test('lines can be flushed at once', (t) => {
  const file = path.join(folder, 'flushed')
  const log = Log.open({ level: 'info', path: file })
  log.info('first')
  log.flush()
  t.strictSame(messages(file), ['first'])
  t.end()
})

t.test('a process that ends at once has its lines in the file', (t) => {
  const file = path.join(folder, 'ended')
  const module = new URL('../../src/common/log.js', import.meta.url).href
  const program = `
    const { Log } = await import(${JSON.stringify(module)})
    const log = Log.open({ level: 'info', path: ${JSON.stringify(file)} })
    log.error('a mistake')
    process.exit(2)`
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.strictSame([ended.status, ended.stderr], [2, ''])
  t.strictSame(messages(file), ['a mistake'])
  t.end()
})

t.test('a path that cannot be written is refused', (t) => {
  t.throws(() => Log.open({ level: 'info', path: path.join(folder, 'missing', 'log') }), { code: 'ENOENT' })
  t.end()
})
