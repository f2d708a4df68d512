// The package as users install it: packed, unpacked into an empty project, and used from there.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

// This file runs in dist/work/test/package.
const root = fileURLToPath(new URL('../../../..', import.meta.url))
const require = createRequire(import.meta.url)

// Outside `root`: otherwise module resolution would find modules there that the package lacks.
const scratch = mkdtempSync(path.join(tmpdir(), 'ringtap-package-'))
t.teardown(() => rmSync(scratch, { recursive: true, force: true }))

// Programs of the project run without tap's loaders.
const { NODE_OPTIONS: _, ...env } = process.env

const tarball = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', scratch], {
  cwd: root,
  encoding: 'utf8',
}).trim()
const modules = path.join(scratch, 'node_modules')
const installed = path.join(modules, 'ringtap')
mkdirSync(installed, { recursive: true })
execFileSync('tar', ['-xzf', path.join(scratch, tarball), '-C', installed, '--strip-components=1'])
writeFileSync(path.join(scratch, 'package.json'), '{ "private": true }')

const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'))
for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types']) {
  const source = path.join(root, 'node_modules', name)
  mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
  symlinkSync(source, path.join(modules, name))
}

/** Runs a program of the project; returns its standard output, or its error. */
function run(file: string, source: string): string {
  writeFileSync(path.join(scratch, file), source)
  const result = spawnSync(process.execPath, [file], { cwd: scratch, encoding: 'utf8', env })
  return result.status === 0 ? result.stdout.trim() : `exit ${result.status}: ${result.stderr}`
}

t.test('the package contains what it needs and nothing else', async (t) => {
  const top = readdirSync(installed).sort()
  for (const name of [
    'binding.gyp',
    'CHANGELOG.md',
    'docs',
    'dist',
    'LICENSE',
    'native',
    'package.json',
    'README.md',
    'scripts',
    'SECURITY.md',
  ])
    t.ok(top.includes(name), name)
  t.same(readdirSync(path.join(installed, 'dist')).sort(), ['cjs', 'esm'], 'neither tests nor build information')
  for (const name of ['test', 'bench', 'build', 'node_modules', 'lib']) t.notOk(top.includes(name), `no ${name}`)
  for (const file of readFileSync(path.join(installed, 'native', 'sources.txt'), 'utf8')
    .split('\n')
    .filter(Boolean))
    t.ok(existsSync(path.join(installed, file)), file)
  for (const hook of ['preinstall', 'install', 'postinstall'])
    t.notOk(manifest.scripts[hook], `no ${hook} script: package managers do not run them unasked`)
  t.equal(manifest.gypfile, false, 'npm does not compile on its own')
})

t.test('without an addon, importing works and using it throws an error that names the remedy', async (t) => {
  const program = `
    const { CaptureError } = require('ringtap')
    const { nativeExports: native } = require('./node_modules/ringtap/dist/cjs/native/native.js')
    try { native() } catch (error) { console.log(error instanceof CaptureError, error.code, error.message) }`
  const output = run('without.cjs', program)
  t.match(output, /^true ERR_NATIVE_UNAVAILABLE /)
  t.match(output, new RegExp(`linux-${process.arch}`))
  t.match(output, /npm explore ringtap -- npm run build:native/, 'the remedy')
})

t.test('in a bundle, the error names the remedy', async (t) => {
  // As bundled: the code is in a file of the program, with neither the addon nor package.json beside it.
  const dist = path.join(installed, 'dist')
  const report = 'try { nativeExports() } catch (error) { console.log(error.code, error.message) }'
  const expected = /^ERR_NATIVE_UNAVAILABLE .*mark ringtap as external \(esbuild: --external:ringtap; webpack: /

  cpSync(path.join(dist, 'cjs'), path.join(scratch, 'out', 'of', 'place'), { recursive: true })
  const cjs = run('bundle.cjs', `const { nativeExports } = require('./out/of/place/native/native.js'); ${report}`)
  t.match(cjs, expected, 'CommonJS')
  t.match(cjs, /No native build was found/, 'with the reason')

  // The code esbuild generates for a CommonJS module in a bundle of ES modules.
  const addon = readFileSync(path.join(dist, 'esm', 'native', 'addon.cjs'), 'utf8')
  const native = readFileSync(path.join(dist, 'esm', 'native', 'native.js'), 'utf8')
  const esm = run(
    'bundle.mjs',
    `const require = (name) => { throw Error('Dynamic require of "' + name + '" is not supported') }
    const module = { exports: {} }
    ;((exports, module) => {${addon}
    })(module.exports, module)
    const loaded = module.exports
    ${native.replace(/^import loaded .*$/m, '').replace('../errors.js', './node_modules/ringtap/dist/esm/errors.js')}
    ${report}`,
  )
  t.match(esm, expected, 'ES modules')
  t.match(esm, /Dynamic require of "node:path" is not supported/, 'with the reason')
})

t.test('a prebuilt addon is loaded without a compiler', async (t) => {
  const built = path.join(root, 'build', 'Release', 'ringtap.node')
  const prebuilds = path.join(installed, 'prebuilds', `linux-${process.arch}`)
  mkdirSync(prebuilds, { recursive: true })
  cpSync(built, path.join(prebuilds, `ringtap.${existsSync('/etc/alpine-release') ? 'musl' : 'glibc'}.node`))

  t.equal(
    run('import.mjs', `import { CaptureError } from 'ringtap'; console.log(typeof CaptureError)`),
    'function',
    'import',
  )
  t.equal(
    run('require.cjs', `const { CaptureError } = require('ringtap'); console.log(typeof CaptureError)`),
    'function',
    'require',
  )
  const both = `
    import { createRequire } from 'node:module'
    import * as esm from 'ringtap'
    import { nativeExports as first } from './node_modules/ringtap/dist/esm/native/native.js'
    const require = createRequire(import.meta.url)
    const cjs = require('ringtap')
    const { nativeExports: second } = require('./node_modules/ringtap/dist/cjs/native/native.js')
    console.log(
      esm.CaptureError !== cjs.CaptureError,
      new esm.CaptureError('ERR_CLOSED', '') instanceof cjs.CaptureError,
      new cjs.CaptureError('ERR_CLOSED', '') instanceof esm.CaptureError,
      new Error('') instanceof esm.CaptureError,
      Object.keys(esm).filter((name) => name !== 'default' && name !== 'module.exports').sort().join() === Object.keys(cjs).sort().join(),
      first() === second(),
    )`
  t.equal(
    run('both.mjs', both),
    'true true true false true true',
    'both builds side by side: errors of either, the same names, one addon',
  )
})

t.test('the types can be used from ESM and CommonJS', async (t) => {
  const tsc = require.resolve('typescript/lib/tsc.js')
  const source = `import { CaptureError, type CaptureErrorCode } from 'ringtap'
    export const code: CaptureErrorCode = new CaptureError('ERR_CLOSED', 'closed').code
    // @ts-expect-error: the codes are a closed set
    new CaptureError('ERR_NO_SUCH_CODE', '')\n`
  for (const extension of ['mts', 'cts', 'ts']) writeFileSync(path.join(scratch, `types.${extension}`), source)
  const modes = [
    ['nodenext', 'nodenext', 'types.mts', 'types.cts'],
    ['esnext', 'bundler', 'types.ts'],
  ] as const
  const options =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2022 --lib es2023,esnext.disposable --types node'
  for (const [module, resolution, ...files] of modes) {
    const args = [...options.split(' '), '--module', module, '--moduleResolution', resolution, ...files]
    const result = spawnSync(process.execPath, [tsc, ...args], { cwd: scratch, encoding: 'utf8', env })
    t.equal(result.status, 0, `${module} with ${resolution}`, { output: result.stdout })
  }
})
