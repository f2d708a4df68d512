// `npm run test:package -- bundlers`: programs that bundlers have made. Each way of docs/bundlers.md captures; a bundle
// made without any of them loads, and says what to do.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  command,
  expectCaptured,
  filesBelow,
  inNamespace,
  installTools,
  programs,
  releasedTarball,
  write,
} from './project.mjs'

const packages = [
  'esbuild@0.28.2',
  'webpack@5.113.0',
  'webpack-cli@7.3.1',
  'node-loader@2.1.0',
  'rollup@4.68.8',
  '@rollup/plugin-node-resolve@16.0.3',
  '@rollup/plugin-commonjs@29.0.3',
  'vite@8.4.0',
  '@vercel/nft@1.11.5',
  'postject@1.0.0-alpha.6',
]
const id = `linux-${process.arch}-glibc`
const registered = `import 'ringtap/addons/${id}'\n${programs.esm}`

/** A project with the package installed and the sources of a program; returns its folder and the bundlers' commands. */
function project(folder, files = {}) {
  write(folder, {
    'package.json': { private: true, dependencies: { ringtap: `file:${releasedTarball()}` } },
    'app.mjs': programs.esm,
    'app.cjs': programs.cjs,
    'with-addon.mjs': registered,
    ...files,
  })
  command('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  const modules = installTools('bundlers', packages)
  return (name, ...args) =>
    command(path.join(modules, '.bin', name), args, { cwd: folder, env: { ...process.env, NODE_PATH: modules } })
}

/** Takes a bundle out of its project, so that nothing of node_modules is in reach, and runs it. */
function runAlone(folder, bundle, { withPackage = false, prebuilds = false } = {}) {
  const alone = path.join(folder, 'alone')
  cpSync(path.join(folder, path.dirname(bundle)), alone, { recursive: true })
  if (prebuilds)
    cpSync(path.join(folder, 'node_modules', 'ringtap', 'prebuilds'), path.join(alone, 'prebuilds'), {
      recursive: true,
    })
  if (withPackage) cpSync(path.join(folder, 'node_modules'), path.join(alone, 'node_modules'), { recursive: true })
  else rmSync(path.join(folder, 'node_modules'), { recursive: true })
  try {
    return inNamespace(process.execPath, [path.basename(bundle)], { cwd: alone })
  } catch (error) {
    return error.message
  }
}

const expectRemedy = (output) => {
  if (!/ERR_NATIVE_UNAVAILABLE.*mark ringtap as external/.test(output)) throw new Error(`says no remedy:\n${output}`)
}

/** The ways of one bundler: `build` makes out/NAME from a source. */
function ways(name, endings, build) {
  const checks = {}
  for (const ending of endings) {
    const source = ending === 'cjs' ? 'app.cjs' : 'app.mjs'
    checks[`${name}, ${ending}, nothing done`] = (folder) => {
      build(project(folder), folder, source, ending)
      expectRemedy(runAlone(folder, `out/app.${ending}`))
    }
    checks[`${name}, ${ending}, external`] = (folder) => {
      build(project(folder), folder, source, ending, 'external')
      expectCaptured(runAlone(folder, `out/app.${ending}`, { withPackage: true }))
    }
    checks[`${name}, ${ending}, prebuilds beside`] = (folder) => {
      build(project(folder), folder, source, ending)
      expectCaptured(runAlone(folder, `out/app.${ending}`, { prebuilds: true }))
    }
  }
  return checks
}

const esbuild = (run, _, source, ending, mode) =>
  run(
    'esbuild',
    source,
    '--bundle',
    '--platform=node',
    `--format=${ending === 'cjs' ? 'cjs' : 'esm'}`,
    `--outfile=out/app.${ending}`,
    '--log-level=error',
    ...(mode === 'external' ? ['--external:ringtap'] : []),
    ...(mode === 'addon' ? ['--loader:.node=file', '--asset-names=[name]-[hash]'] : []),
  )

const webpack = (run, folder, source, ending, mode) => {
  const esm = ending === 'mjs'
  const modules = installTools('bundlers', packages)
  const config = {
    mode: 'production',
    target: 'node20',
    entry: `./${source}`,
    experiments: esm ? { outputModule: true } : {},
    output: {
      path: path.join(folder, 'out'),
      filename: `app.${ending}`,
      ...(esm && { module: true, library: { type: 'module' } }),
    },
    resolveLoader: { modules: [modules] },
    ...(mode === 'external' && { externals: { ringtap: esm ? 'module ringtap' : 'commonjs ringtap' } }),
    ...(mode === 'addon' && { module: { rules: [{ test: String.raw`\.node$`, loader: 'node-loader' }] } }),
  }
  const text = JSON.stringify(config).replace('"test":"\\\\.node$"', '"test":/\\.node$/')
  writeFileSync(path.join(folder, 'webpack.config.cjs'), `module.exports = ${text}`)
  run('webpack', '--config', 'webpack.config.cjs')
}

const rollup = (run, folder, source, ending, mode) => {
  const modules = installTools('bundlers', packages)
  writeFileSync(
    path.join(folder, 'rollup.config.cjs'),
    `module.exports = { input: '${source}', external: [/^node:/${mode === 'external' ? ", 'ringtap'" : ''}],
    output: { file: 'out/app.${ending}', format: '${ending === 'cjs' ? 'cjs' : 'es'}' },
    plugins: [require('${modules}/@rollup/plugin-node-resolve').nodeResolve({ preferBuiltins: true }),
    require('${modules}/@rollup/plugin-commonjs')()] }`,
  )
  run('rollup', '--config', 'rollup.config.cjs', '--silent')
}

const vite = (run, folder, source, ending, mode) => {
  writeFileSync(
    path.join(folder, 'vite.config.mjs'),
    `export default { logLevel: 'error', build: { ssr: '${source}', outDir: 'out', rollupOptions: { output: { entryFileNames: 'app.${ending}', format: 'es' } } },
    ssr: ${mode === 'external' ? '{}' : '{ noExternal: true }'} }`,
  )
  run('vite', 'build', '--config', 'vite.config.mjs')
}

/** A single executable from out/app.cjs, as Node's documentation describes it. */
function singleExecutable(run, folder) {
  esbuild(run, folder, 'app.cjs', 'cjs')
  write(folder, { 'sea.json': { main: 'out/app.cjs', output: 'sea.blob', disableExperimentalSEAWarning: true } })
  command(process.execPath, ['--experimental-sea-config', 'sea.json'], { cwd: folder })
  const program = path.join(folder, 'sea', 'program')
  mkdirSync(path.dirname(program))
  cpSync(process.execPath, program)
  run(
    'postject',
    program,
    'NODE_SEA_BLOB',
    'sea.blob',
    '--sentinel-fuse',
    'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
  )
  return program
}

export const bundlers = {
  ...ways('esbuild', ['cjs', 'mjs'], esbuild),
  ...Object.fromEntries(
    ['cjs', 'mjs'].map((ending) => [
      `esbuild, ${ending}, addon imported`,
      (folder) => {
        esbuild(project(folder), folder, 'with-addon.mjs', ending, 'addon')
        expectCaptured(runAlone(folder, `out/app.${ending}`))
      },
    ]),
  ),
  ...ways('webpack', ['cjs', 'mjs'], webpack),
  'webpack, cjs, addon imported': (folder) => {
    webpack(project(folder), folder, 'with-addon.mjs', 'cjs', 'addon')
    expectCaptured(runAlone(folder, 'out/app.cjs'))
  },
  ...ways('rollup', ['cjs', 'mjs'], rollup),
  ...ways('vite', ['mjs'], vite),
  '@vercel/nft': async (folder) => {
    project(folder)
    const modules = installTools('bundlers', packages)
    const trace = `const { nodeFileTrace } = require('${modules}/@vercel/nft')
      nodeFileTrace(['app.mjs']).then(({ fileList }) => console.log([...fileList].join('\\n')))`
    const files = command(process.execPath, ['-e', trace], { cwd: folder }).trim().split('\n')
    const alone = path.join(folder, 'traced')
    for (const file of files) cpSync(path.join(folder, file), path.join(alone, file), { recursive: true })
    rmSync(path.join(folder, 'node_modules'), { recursive: true })
    expectCaptured(inNamespace(process.execPath, ['app.mjs'], { cwd: alone }))
    const addons = files.filter((file) => file.endsWith('.node')).length
    if (files.length === filesBelow(alone).length) throw new Error('nothing was left out')
    return `${addons} addons among ${files.length} files`
  },
  'single executable, prebuilds beside': (folder) => {
    const program = singleExecutable(project(folder), folder)
    cpSync(path.join(folder, 'node_modules', 'ringtap', 'prebuilds'), path.join(path.dirname(program), 'prebuilds'), {
      recursive: true,
    })
    rmSync(path.join(folder, 'node_modules'), { recursive: true })
    expectCaptured(inNamespace(program, [], { cwd: '/' }))
  },
  'single executable, nothing done': (folder) => {
    const program = singleExecutable(project(folder), folder)
    rmSync(path.join(folder, 'node_modules'), { recursive: true })
    let output
    try {
      output = inNamespace(program, [], { cwd: '/' })
    } catch (error) {
      output = error.message
    }
    expectRemedy(output)
  },
}
