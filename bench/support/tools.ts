import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the source tree, relative to dist/work/bench/support. */
const root = new URL('../../../../', import.meta.url)
const changed = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/**
 * The path of a program of bench/native, which is first built into build/tools if its source or a header of the folder
 * is newer.
 *
 * @throws Error with the compiler's output if it cannot be built.
 */
export function builtTool(name: 'c_loop' | 'dissect_loop' | 'filter_cost' | 'flow_loop' | 'read_loop'): string {
  const folder = fileURLToPath(new URL('bench/native/', root))
  const source = `${folder}${name}.cpp`
  const headers = readdirSync(folder).filter((file) => file.endsWith('.h'))
  const target = fileURLToPath(new URL(`build/tools/${name}`, root))
  if (changed(target) > Math.max(changed(source), ...headers.map((file) => changed(folder + file)))) return target
  mkdirSync(new URL('build/tools/', root), { recursive: true })
  const args = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-o', target, source, '-lpcap']
  const { status, error, stderr } = spawnSync(process.env['CXX'] ?? 'c++', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`bench/native/${name}.cpp cannot be built: ${error?.message ?? stderr}`)
  return target
}

/** A program of bench/native in Go, or the reason why it cannot be built. */
export type GoTool = { path: string; missing?: undefined } | { path?: undefined; missing: string }

/**
 * As {@link builtTool}, in Go with the libraries that Debian packages into /usr/share/gocode; `GOPATH` sets another folder.
 */
export function builtGoTool(name: 'gopacket_loop'): GoTool {
  const source = fileURLToPath(new URL(`bench/native/${name}.go`, root))
  const target = fileURLToPath(new URL(`build/tools/${name}`, root))
  if (changed(target) > changed(source)) return { path: target }
  mkdirSync(new URL('build/tools/', root), { recursive: true })
  const { status, error, stderr } = spawnSync('go', ['build', '-o', target, source], {
    encoding: 'utf8',
    env: { GOPATH: '/usr/share/gocode', ...process.env, GO111MODULE: 'off', GOFLAGS: '-buildvcs=false' },
  })
  if (status === 0) return { path: target }
  const why = error ? 'there is no Go' : (stderr.trim().split('\n').at(-1) ?? '')
  return { missing: `${why} (Debian: golang-go, golang-github-google-gopacket-dev)` }
}

/** Why a program cannot take part; `undefined` if it is installed. */
export function missingProgram(program: string): string | undefined {
  return spawnSync(program, ['--version']).error ? `${program} is not installed` : undefined
}

/** Builds the sender of the live tests if it is out of date. */
export function buildSender(): void {
  const script = fileURLToPath(new URL('scripts/build-test-tools.mjs', root))
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the sender cannot be built')
}
