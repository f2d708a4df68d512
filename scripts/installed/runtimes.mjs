// `npm run test:runtimes`: live/checks.mjs with the released tarball under each supported version of Node.js, and under Bun
// and Deno, all fetched by name from the npm registry.
//
//   npm run test:runtimes -- 'Node 24' Bun   only those whose name contains one of these
import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { command, installTools, network, releasedTarball, runChecks, write } from './project.mjs'

const nodes = ['20.17.0', '20.20.2', '22.23.5', '24.22.3', '26.12.1']
const bun = '1.4.5'
const deno = '2.9.6'

/** A check that runs live/checks.mjs by a command, `of` gives its words. */
function runtime(of, environment = {}) {
  return (folder) => {
    write(folder, {
      'package.json': { private: true, type: 'module', dependencies: { ringtap: `file:${releasedTarball()}` } },
    })
    command('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
    cpSync(fileURLToPath(new URL('live', import.meta.url)), path.join(folder, 'live'), { recursive: true })
    mkdirSync(path.join(folder, 'files'))
    const words = [...of(), 'live/checks.mjs', 'files']
    const env = { ...process.env, ...environment }
    const output = command('unshare', ['-rn', 'sh', '-c', network, ...words], { cwd: folder, env })
    const found = /^(\d+) passed, 0 failed$/m.exec(output)
    if (!found) throw new Error(output)
    return `${found[1]} checks`
  }
}

const tool = (name, version, ...file) =>
  path.join(installTools(`${name.replaceAll('/', '-')}@${version}`, [`${name}@${version}`]), ...file)
const arch = process.arch

await runChecks('runtimes', {
  ...Object.fromEntries(
    nodes.map((version) => [
      `Node ${version}`,
      runtime(() => [tool(`node-linux-${arch}`, version, `node-linux-${arch}`, 'bin', 'node')]),
    ]),
  ),
  [`Bun ${bun}`]: runtime(() => [
    tool(
      `@oven/bun-linux-${arch === 'arm64' ? 'aarch64' : arch}`,
      bun,
      '@oven',
      `bun-linux-${arch === 'arm64' ? 'aarch64' : arch}`,
      'bin',
      'bun',
    ),
  ]),
  [`Deno ${deno}`]: runtime(() => {
    const platform = `linux-${arch}-glibc`
    return [tool('deno', deno, '@deno', platform, 'deno'), 'run', '--allow-all']
  }),
})
