// `npm run check:portable`: compiles and links the half of the addon that needs no Linux (docs/architecture.md) for
// macOS, and checks what the result needs and exports. It cannot be run here. A part of every release.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../tree-files.mjs'
import { run, say, work } from './run.mjs'
import { sources, sourceTree } from './sources.mjs'
import { addonExports } from './targets.mjs'
import { installCompiler } from './toolchain.mjs'

/** The lowest version is that of binding.gyp, MACOSX_DEPLOYMENT_TARGET. */
export const macosTriples = ['aarch64-macos.11.0', 'x86_64-macos.11.0']

/** What remains to be found when the addon is loaded: in Node, and in the system's libpcap, which a build there links. */
const lookedUp = /^_(napi_\w+|node_api_\w+|pcap_\w+|bpf_image)$/

const settings = [
  ...'-std=c++20 -fno-exceptions -fno-rtti -fvisibility=hidden -O2'.split(' '),
  ...'-Wall -Wextra -Wno-missing-field-initializers -Werror'.split(' '),
  ...['RINGTAP_PORTABLE', 'NODE_GYP_MODULE_NAME=ringtap', 'NAPI_VERSION=8'].map((one) => `-D${one}`),
  ...['DISABLE_CPP_EXCEPTIONS', 'DISABLE_DEPRECATED'].map((one) => `-DNODE_ADDON_API_${one}`),
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
]

/** Compiles one source; resolves to the compiler's messages if it fails. */
function compile(zig, triple, includes, source, object) {
  const args = ['c++', '-target', triple, ...settings, ...includes, '-c', source, '-o', object]
  const child = spawn(zig, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let messages = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (messages += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve(status === 0 ? undefined : `${source}, for ${triple}:\n${messages}`))
  })
}

/** Builds the addon for a triple; returns its path. */
export async function buildForMacos(triple, { zig }) {
  say(triple, 'compiling what needs no Linux')
  const folder = path.join(work, 'macos', triple)
  mkdirSync(folder, { recursive: true })
  const modules = path.join(root, 'node_modules')
  const folders = [
    path.join(root, 'native'),
    path.join(modules, 'node-addon-api'),
    path.join(modules, 'node-api-headers', 'include'),
    sourceTree(sources.find(({ name }) => name === 'libpcap')),
  ]
  const includes = folders.flatMap((one) => ['-I', one])
  const files = readFileSync(path.join(root, 'native', 'sources.txt'), 'utf8')
    .split('\n')
    .filter(Boolean)
  const objects = files.map((file) => path.join(folder, `${file.replaceAll('/', '-')}.o`))
  const faults = []
  const queue = files.map((file, i) => [file, objects[i]])
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const fault = await compile(zig, triple, includes, ...next)
      if (fault) faults.push(fault)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  if (faults.length > 0) throw new Error(faults.join('\n'))
  const addon = path.join(folder, 'ringtap.node')
  const link = ['-dynamiclib', '-Wl,-undefined,dynamic_lookup', '-o', addon]
  run(triple, zig, ['c++', '-target', triple, ...link, ...objects])
  return addon
}

/** What a Mach-O file of 64 bits needs and exports (mach-o/loader.h, mach-o/nlist.h). */
export function inspectMacho(bytes) {
  if (bytes.length < 32 || bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error('not a Mach-O file of 64 bits')
  const text = (at) => bytes.toString('latin1', at, bytes.indexOf(0, at))
  const found = { machine: bytes.readUInt32LE(4), libraries: [], exports: [], lookedUp: [] }
  let symbols
  for (let i = 0, at = 32; i < bytes.readUInt32LE(16); i++, at += bytes.readUInt32LE(at + 4)) {
    const command = bytes.readUInt32LE(at)
    if (command === 0xc) found.libraries.push(text(at + bytes.readUInt32LE(at + 8))) // LC_LOAD_DYLIB
    if (command === 0x32) found.system = { platform: bytes.readUInt32LE(at + 8), lowest: bytes.readUInt32LE(at + 12) }
    if (command === 2) symbols = [8, 12, 16].map((field) => bytes.readUInt32LE(at + field)) // LC_SYMTAB
  }
  const [first, count, strings] = symbols ?? [0, 0, 0]
  for (let at = first; at < first + count * 16; at += 16) {
    const type = bytes[at + 4]
    if ((type & 0xe0) !== 0 || (type & 1) === 0) continue // for debuggers, or local
    const name = text(strings + bytes.readUInt32LE(at))
    if ((type & 0xe) !== 0) {
      if ((type & 0x10) === 0) found.exports.push(name) // else visible within the file alone
    } else if (bytes.readUInt16LE(at + 6) >> 8 === 0xfe) found.lookedUp.push(name) // DYNAMIC_LOOKUP_ORDINAL
  }
  return found
}

const machines = { aarch64: 0x0100000c, x86_64: 0x01000007 }

/** One line for each thing that is not as it must be in an addon for a triple. */
export function machoFaults(triple, found) {
  const faults = []
  const fault = (text) => faults.push(`${triple}: ${text}`)
  if (found.machine !== machines[triple.split('-')[0]]) fault(`is for the processor ${found.machine.toString(16)}`)
  if (found.system?.platform !== 1 || found.system.lowest !== 11 << 16) fault('is not for macOS 11.0 and later')
  for (const name of found.libraries) if (name !== '/usr/lib/libSystem.B.dylib') fault(`needs ${name}`)
  for (const name of found.lookedUp) if (!lookedUp.test(name)) fault(`needs ${name}, which nothing provides`)
  for (const name of addonExports) if (!found.exports.includes(`_${name}`)) fault(`does not export ${name}`)
  return faults
}

/** Builds and checks all triples; returns what each addon is like, and the faults. */
export async function checkMacos(toolchain) {
  const builds = []
  const faults = []
  for (const triple of macosTriples) {
    const addon = await buildForMacos(triple, toolchain)
    const found = inspectMacho(readFileSync(addon))
    faults.push(...machoFaults(triple, found))
    builds.push({ triple, size: statSync(addon).size, needed: found.libraries, run: false })
    say(triple, `${statSync(addon).size} bytes, linked; not run`)
  }
  return { builds, faults }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { faults } = await checkMacos(installCompiler())
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
}
