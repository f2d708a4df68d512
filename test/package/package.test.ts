// The package as users install it: packed, unpacked into an empty project, and used from there.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { Project, script } from '../helpers/staged-package.js'

const require = createRequire(import.meta.url)
const gate = (await script('release/gate')) as {
  filesOf(folder: string): string[]
  fileFaults(names: string[]): string[]
  linkFaults(folder: string): string[]
  manifestFaults(manifest: object, exists: (name: string) => boolean): string[]
}

const project = new Project(t)
const manifest = JSON.parse(project.read('package.json'))
const lists = ['native/sources.txt', 'native/sources-linux.txt']

t.test('the package contains what it needs and nothing else', async (t) => {
  const files = gate.filesOf(project.installed)
  t.same(gate.fileFaults(files), [])
  t.same(gate.linkFaults(project.installed), [])
  t.same(
    gate.manifestFaults(manifest, (name) => files.includes(name)),
    [],
  )
  for (const list of lists)
    for (const file of project.read(list).split('\n').filter(Boolean)) t.ok(files.includes(file), file)
  for (const name of files.filter((name) => name.endsWith('.js')))
    t.notMatch(project.read(name), /sourceMappingURL/, `${name} names no source map`)
  t.same(Object.keys(manifest.scripts), ['build:native'], 'the one script builds from source, when it is called')
  t.notOk(manifest.devDependencies)
})

t.test('node-gyp finds every source of the build from source', async (t) => {
  const gyp = project.read('native/binding.gyp')
  const commands = [...gyp.matchAll(/"sources": \["<!@\(node (.+?)\)"\]/g)].map(([, command = '']) => command)
  t.equal(commands.length, lists.length)
  const native = path.join(project.installed, 'native')
  for (const [i, command] of commands.entries()) {
    const { stdout } = spawnSync(process.execPath, command.split(' '), { cwd: native, encoding: 'utf8' })
    const units = stdout.trim().split('\n')
    const included = units.flatMap((unit) =>
      [...project.read(`native/${unit}`).matchAll(/^#include "(.+)"$/gm)].map(([, source = '']) => source),
    )
    const listed = project.read(lists[i] ?? '').split('\n')
    t.strictSame(
      included,
      listed.filter(Boolean).map((source) => source.replace('native/', '')),
    )
    for (const file of included) t.ok(existsSync(path.join(native, file)), file)
  }
  rmSync(path.join(native, 'build'), { recursive: true })
  t.match(gyp, /"include_dirs": \["\.", /)
})

t.test('import and require lead to the same classes and the same addon', async (t) => {
  project.addAddon()
  t.equal(
    project.run('import.mjs', `import { CaptureError } from 'ringtap'; console.log(typeof CaptureError)`),
    'function',
    'import',
  )
  t.equal(
    project.run('require.cjs', `const { CaptureError } = require('ringtap'); console.log(typeof CaptureError)`),
    'function',
    'require',
  )
  const both = `
    import { createRequire } from 'node:module'
    import * as esm from 'ringtap'
    const cjs = createRequire(import.meta.url)('ringtap')
    const names = Object.keys(cjs).sort()
    console.log(names.length > 30, Object.keys(esm).join() === names.join(), names.every((name) => esm[name] === cjs[name]))`
  t.equal(project.run('both.mjs', both), 'true true true')
  const written = `
    import { createRequire } from 'node:module'
    import { Packet, SavefileWriter, openFile } from 'ringtap'
    const cjs = createRequire(import.meta.url)('ringtap')
    const first = await SavefileWriter.open('first.pcapng')
    await first.write(Packet.from(Uint8Array.of(1, 2, 3), { timestamp: 5n }))
    await first.close()
    const second = await cjs.SavefileWriter.open('second.pcapng')
    for await (const chunk of await openFile('first.pcapng')) await second.write(chunk)
    await second.close()
    for await (const chunk of await cjs.openFile('second.pcapng'))
      for (const packet of chunk) console.log([...packet.data].join(), packet.timestamp)`
  t.equal(project.run('written.mjs', written), '1,2,3 5n', 'a chunk of import is accepted by a class of require')
})

t.test('the types can be used from ESM and CommonJS', async (t) => {
  const tsc = require.resolve('typescript/lib/tsc.js')
  const source = `import { CaptureError, type CaptureErrorCode } from 'ringtap'
    import 'ringtap/addons/linux-x64-glibc'
    export const code: CaptureErrorCode = new CaptureError('ERR_CLOSED', 'closed').code
    // @ts-expect-error: the codes are a closed set
    new CaptureError('ERR_NO_SUCH_CODE', '')\n`
  mkdirSync(path.join(project.folder, 'types'))
  for (const extension of ['mts', 'cts', 'ts'])
    writeFileSync(path.join(project.folder, 'types', `types.${extension}`), source)
  const modes = [
    ['nodenext', 'nodenext', 'types/types.mts', 'types/types.cts'],
    ['esnext', 'bundler', 'types/types.ts'],
  ] as const
  const options =
    '--ignoreConfig --noEmit --strict --noUncheckedSideEffectImports --target es2022 --lib es2023,esnext.disposable --types node --skipLibCheck'
  for (const [module, resolution, ...files] of modes) {
    const args = [...options.split(' '), '--module', module, '--moduleResolution', resolution, ...files]
    const result = spawnSync(process.execPath, [tsc, ...args], { cwd: project.folder, encoding: 'utf8' })
    t.equal(result.status, 0, `${module} with ${resolution}`, { output: result.stdout })
  }
})
