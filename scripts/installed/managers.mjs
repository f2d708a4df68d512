// `npm run test:package -- managers`: each package manager installs the released tarball, with scripts off and without a
// compiler, make or Python, and what it installed captures.
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import {
  bareEnvironment,
  command,
  expectCaptured,
  expectQuiet,
  inNamespace,
  installTools,
  programs,
  releasedTarball,
  releasedVersion,
  write,
} from './project.mjs'

const versions = { pnpm: '12.21.0', yarn: '1.22.22', '@yarnpkg/cli-dist': '4.18.1', bun: '1.4.5' }

/** Where most managers put a package's command. */
const binary = () => ['./node_modules/.bin/ringtap']

/**
 * A check: `install` runs the manager's command in a folder, `node` is what the program runs under, `ringtap` how the
 * manager runs the package's command.
 */
function manager(files, install, node = [process.execPath], ringtap = binary) {
  return (folder) => {
    const tarball = releasedTarball()
    const env = bareEnvironment(path.join(folder, 'home'))
    const manifest = { private: true, dependencies: { ringtap: `file:${tarball}` } }
    write(folder, { 'project/package.json': manifest, 'project/a.mjs': programs.esm, 'project/a.cjs': programs.cjs })
    write(path.join(folder, 'project'), files)
    write(folder, { 'home/.keep': '' })
    const cwd = path.join(folder, 'project')
    const tools = () =>
      installTools(
        'managers',
        Object.entries(versions).map(([name, version]) => `${name}@${version}`),
      )
    const [name, ...args] = install(tools)
    const output = command(name, args, { cwd, env })
    expectQuiet(output)
    for (const file of ['a.mjs', 'a.cjs']) {
      const [runtime, ...before] = node
      expectCaptured(inNamespace(runtime, [...before, file], { cwd, env: { ...env, PATH: process.env.PATH } }))
    }
    const [program, ...words] = ringtap(tools)
    const printed = command(program, [...words, '--version'], { cwd, env }).trim()
    if (printed !== releasedVersion()) throw new Error(`the command prints: ${printed}`)
  }
}

const npm = [
  process.execPath,
  path.join(path.dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
]
const yarn4 = (tools) => [process.execPath, path.join(tools(), '@yarnpkg', 'cli-dist', 'bin', 'yarn.js')]
const berry = (tools) => [...yarn4(tools), 'install']
const berryFiles = (linker) => ({ '.yarnrc.yml': `nodeLinker: ${linker}\nenableScripts: false\n`, 'yarn.lock': '' })

/** An application for several systems: on Windows, npm leaves the package out. */
function optionalOnWindows(folder) {
  write(folder, { 'package.json': { private: true, optionalDependencies: { ringtap: `file:${releasedTarball()}` } } })
  const home = path.join(folder, 'home')
  const args = ['install', '--os=win32', '--cpu=x64', '--no-audit', '--no-fund']
  command(npm[0], [npm[1], ...args], { cwd: folder, env: bareEnvironment(home) })
  if (existsSync(path.join(folder, 'node_modules', 'ringtap'))) throw new Error('npm has installed it')
}

/** The documented command, where compiler, make and Python exist. It takes minutes of a processor. */
function fromSource(folder) {
  write(folder, {
    'package.json': { private: true, dependencies: { ringtap: `file:${releasedTarball()}` } },
    'a.mjs': programs.esm,
  })
  command('npm', ['install', '--no-audit', '--no-fund'], { cwd: folder })
  const installed = path.join(folder, 'node_modules', 'ringtap')
  rmSync(path.join(installed, 'prebuilds'), { recursive: true })
  command('npm', ['explore', 'ringtap', '--', 'npm', 'run', 'build:native'], { cwd: folder, timeout: 1_200_000 })
  if (existsSync(path.join(installed, 'native', 'build'))) throw new Error('objects are left in native/build')
  expectCaptured(inNamespace(process.execPath, ['a.mjs'], { cwd: folder }))
}

export const managers = {
  npm: manager({}, () => [...npm, 'install', '--ignore-scripts', '--no-audit', '--no-fund']),
  'npm, scripts on': manager({}, () => [...npm, 'install', '--no-audit', '--no-fund']),
  pnpm: manager({}, (tools) => [path.join(tools(), '.bin', 'pnpm'), 'install', '--ignore-scripts']),
  'pnpm, scripts on': manager({}, (tools) => [path.join(tools(), '.bin', 'pnpm'), 'install']),
  'yarn 1': manager({}, (tools) => [
    process.execPath,
    path.join(tools(), 'yarn', 'bin', 'yarn.js'),
    'install',
    '--ignore-scripts',
  ]),
  'yarn 1, scripts on': manager({}, (tools) => [
    process.execPath,
    path.join(tools(), 'yarn', 'bin', 'yarn.js'),
    'install',
  ]),
  'yarn 4, node_modules': manager(berryFiles('node-modules'), berry),
  'yarn 4, PnP': manager(
    berryFiles('pnp'),
    berry,
    [process.execPath, '--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs', '--no-warnings'],
    (tools) => [...yarn4(tools), 'run', 'ringtap'],
  ),
  bun: manager({}, (tools) => [
    path.join(tools(), '@oven', 'bun-linux-x64', 'bin', 'bun'),
    'install',
    '--ignore-scripts',
  ]),
  'npm, optional on Windows': optionalOnWindows,
  'npm, built from source': fromSource,
}
