// How the addon is found and loaded, and what the error says where it is not.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { builtAddon, ownTarget, Project } from '../helpers/staged-package.js'

const project = new Project(t)
const use = `
  const { CaptureError, listInterfaces } = require('ringtap')
  try {
    console.log(listInterfaces().length > 0)
  } catch (error) { console.log(error instanceof CaptureError, error.code, error.message) }`
const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

t.test('without an addon, importing works and using it throws an error that names the remedy', async (t) => {
  project.removeAddon()
  const output = project.run('without.cjs', use)
  t.match(output, /^true ERR_NATIVE_UNAVAILABLE /)
  t.match(output, new RegExp(`linux-${process.arch} \\((glibc|musl)\\), Node v`))
  t.match(output, /npm explore ringtap -- npm run build:native/, 'the remedy')
  t.match(output, /- node-gyp-build: No native build was found for platform=linux/, 'what node-gyp-build says')
  t.match(
    output,
    `- Cannot find module '${path.join(project.installed, ownTarget.file)}'`,
    'the place of the prebuilt one',
  )
  t.notMatch(output, /Require stack/)
  t.match(
    project.run('without.mjs', `import { CaptureError } from 'ringtap'; console.log(CaptureError.name)`),
    /^CaptureError$/,
  )
})

t.test('a prebuilt addon is loaded without a compiler', async (t) => {
  project.addAddon()
  t.equal(project.run('with.cjs', use), 'true')
})

t.test(
  'node --permission: with what the addon needs it loads, without it the error says what is missing',
  async (t) => {
    project.addAddon()
    const read = `--allow-fs-read=${project.folder}`
    t.equal(
      project
        .run('permitted.cjs', use, [permission, '--allow-addons', `${read}/*`])
        .split('\n')
        .at(-1),
      'true',
    )
    const forbidden = project.run('forbidden.cjs', use, [permission, `${read}/*`])
    t.match(forbidden, /^true ERR_NATIVE_UNAVAILABLE .*start Node with --allow-addons beside --permission/m)
    const none = project.run('no-addons.cjs', use, ['--no-addons'])
    t.match(none, /^true ERR_NATIVE_UNAVAILABLE .*without --no-addons/m)
  },
)

t.test('an addon for another platform', async (t) => {
  project.addAddon(Buffer.from('!<arch>\n'.repeat(100)))
  const output = project.run('foreign.cjs', use)
  t.match(output, /^true ERR_NATIVE_UNAVAILABLE .*install ringtap on the system that it runs on/)
  t.equal(output.split('\n').filter((line) => line.includes(ownTarget.file)).length, 1, 'each place once')
})

t.test('in a bundle', async (t) => {
  // As bundled: the code is in a file of the program, without package.json beside it.
  project.removeAddon()
  const bundle = path.join(project.folder, 'out', 'of', 'place')
  cpSync(path.join(project.installed, 'dist', 'cjs'), bundle, { recursive: true })
  const bundled = use.replace('ringtap', './out/of/place/index.js')
  const expected = /^true ERR_NATIVE_UNAVAILABLE .*mark ringtap as external \(esbuild: --external:ringtap; webpack: /
  t.match(project.run('bundle.cjs', bundled), expected)

  const beside = path.join(project.folder, ownTarget.file)
  mkdirSync(path.dirname(beside), { recursive: true })
  cpSync(builtAddon, beside)
  t.equal(project.run('beside.cjs', bundled), 'true', 'the folder prebuilds beside the program')
  rmSync(path.join(project.folder, 'prebuilds'), { recursive: true })

  cpSync(builtAddon, path.join(project.folder, 'copied.node'))
  const register = (value: string) =>
    `${bundled.replace('try {', `;(globalThis[Symbol.for('ringtap.addons')] ??= {})['${ownTarget.id}'] = () => ${value}; try {`)}`
  t.equal(
    project.run('registered.cjs', register(`require('./copied.node')`)),
    'true',
    'an addon that the bundle registers',
  )
  t.equal(project.run('by-path.cjs', register(`'${path.join(project.folder, 'copied.node')}'`)), 'true', 'by its path')
  t.match(project.run('wrong.cjs', register(`'./nothing.node'`)), /Cannot find module '.*nothing\.node'/)
})

t.test('in a bundle of ES modules there is neither require() nor __dirname', async (t) => {
  project.removeAddon()
  const source = ['libc', 'load-failure', 'addon']
    .map(
      (name) =>
        `modules['./${name}.js'] = ((exports, require) => {${project.read(`dist/cjs/native/${name}.js`)}; return exports })({}, get)`,
    )
    .join('\n')
  // What esbuild makes of require() of anything outside the bundle.
  const output = project.run(
    'bundle.mjs',
    `const modules = {}
    const get = (name) => modules[name] ?? (() => { throw Error('Dynamic require of "' + name + '" is not supported') })()
    ${source}
    const { failure } = modules['./addon.js'].loadAddon()
    console.log(modules['./load-failure.js'].describeFailure(failure))`,
  )
  t.match(output, /A bundler has taken ringtap apart from its addon: mark ringtap as external/)
  t.match(output, path.join(project.folder, ownTarget.file), 'where it would be found')
})

t.test('which C library the process runs on', async (t) => {
  const { libcOf, mappedLibc } = (await import(new URL('./native/libc.js', import.meta.resolve('ringtap')).href)) as {
    libcOf(): string
    mappedLibc(maps: string): string
  }
  const line = (file: string) => `7f0000000000-7f0000001000 r-xp 00000000 fd:01 123                       ${file}\n`
  t.equal(libcOf(), ownTarget.libc, 'this process')
  t.equal(mappedLibc(line('/usr/lib/x86_64-linux-gnu/libc.so.6')), 'glibc', 'glibc since 2.34')
  t.equal(mappedLibc(line('/lib/x86_64-linux-gnu/libc-2.31.so')), 'glibc', 'glibc before')
  t.equal(mappedLibc(line('/lib/ld-musl-x86_64.so.1')), 'musl', 'Alpine')
  t.equal(mappedLibc(line('/usr/lib/libc.so')), 'musl', 'Void, where the loader is a link')
  t.equal(mappedLibc(line('/usr/bin/node') + line('[heap]')), 'unknown', 'a static program')
})

t.test('each cause has its remedy', async (t) => {
  const { remedyFor } = (await import(new URL('./native/load-failure.js', import.meta.resolve('ringtap')).href)) as {
    remedyFor(error: Error, root: string): string | undefined
  }
  const remedy = (message: string, code?: string, name = 'Error') =>
    remedyFor(Object.assign(new Error(message), { code, name }), '/package') ?? ''
  t.match(
    remedy("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found (required by ringtap.glibc.node)"),
    /glibc is older than 2\.28, .*npm run build:native/,
  )
  t.match(
    remedy("/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by ringtap.node)"),
    /compiled on a newer system/,
  )
  t.match(
    remedy('libpcap.so.0.8: cannot open shared object file: No such file or directory', 'ERR_DLOPEN_FAILED'),
    /needs the library libpcap/,
  )
  t.match(remedy('Access to this API has been restricted', 'ERR_ACCESS_DENIED'), /--allow-fs-read=\/package/)
  t.match(
    remedy('Cannot load native addon because loading addons is disabled.', 'ERR_DLOPEN_DISABLED'),
    /--allow-addons/,
  )
  t.match(
    remedy(
      'Requires ffi access to "/package/ringtap.node", run again with the --allow-ffi flag',
      undefined,
      'NotCapable',
    ),
    /Deno with --allow-ffi/,
  )
  t.match(
    remedy('Requires read access to "/package", run again with the --allow-read flag', undefined, 'NotCapable'),
    /Deno with --allow-read/,
  )
  t.equal(
    remedy('Requires env access to "LIBC", run again with the --allow-env flag', undefined, 'NotCapable'),
    '',
    'which is not needed',
  )
  t.equal(remedy("Cannot find module 'x.node'", 'MODULE_NOT_FOUND'), '', 'which is expected at most places')
  t.equal(remedy('something else'), '', 'nothing is claimed about what is not recognised')
})
