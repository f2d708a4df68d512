// Checks the prerequisites for building the addon ahead of node-gyp, whose own messages do not distinguish a missing
// header from a bug. When run directly, prints what is missing with the remedy and exits 1; build-native.mjs uses its
// functions.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** Package names per distribution, by missing prerequisite. */
const packages = {
  compiler: { apt: 'g++', dnf: 'gcc-c++', apk: 'g++', pacman: 'gcc' },
  pcap: { apt: 'libpcap-dev', dnf: 'libpcap-devel', apk: 'libpcap-dev', pacman: 'libpcap' },
  headers: { apt: 'linux-libc-dev', dnf: 'kernel-headers', apk: 'linux-headers', pacman: 'linux-api-headers' },
  make: { apt: 'make', dnf: 'make', apk: 'make', pacman: 'make' },
  python: { apt: 'python3', dnf: 'python3', apk: 'python3', pacman: 'python' },
}

const managers = [
  ['Debian, Ubuntu', 'apt', 'apt-get install'],
  ['Fedora, RHEL', 'dnf', 'dnf install'],
  ['Alpine', 'apk', 'apk add'],
  ['Arch', 'pacman', 'pacman -S'],
]

const cpp20 = `#include <span>
template <typename T> concept Sized = requires(T t) { t.size(); };
struct Pair { int a, b; bool operator==(const Pair&) const = default; };
int main() { int n[2] = {1, 2}; Sized auto s = std::span(n); return s.size() == 2 && Pair{1, 2} == Pair{1, 2} ? 0 : 1; }
`

/** The directories searched for make and cc, including those that a user's PATH often lacks. */
function onPath(command) {
  if (command.includes('/')) return isExecutable(command)
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/local/bin', '/usr/bin', '/bin']
  return directories.some((directory) => isExecutable(path.join(directory, command)))
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether `compiler` (a command with arguments, as in $CXX) compiles `source`. */
function compiles(compiler, source) {
  const [command, ...args] = compiler.trim().split(/\s+/)
  const flags = (process.env.CXXFLAGS ?? '').split(/\s+/).concat((process.env.CPPFLAGS ?? '').split(/\s+/))
  return (
    spawnSync(command, [...args, ...flags.filter(Boolean), '-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], {
      input: source,
      stdio: ['pipe', 'ignore', 'ignore'],
    }).status === 0
  )
}

/**
 * Lists what is missing for a build of the addon: descriptions, and the keys of `packages` that provide it.
 *
 * @returns {{ platform?: string, missing: { what: string, key: keyof typeof packages }[], compiler?: string }}
 */
export function checkBuild() {
  const { platform } = process
  if (platform !== 'linux' && platform !== 'darwin') {
    return {
      platform: `ringtap captures on Linux, and its half for files runs on macOS; neither can be built on ${platform}`,
      missing: [],
    }
  }
  const missing = []
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const found = candidates.filter((name) => onPath(name.trim().split(/\s+/)[0]))
  // make defaults to g++; if only another compiler works, build-native.mjs passes it.
  const compiler = [...found].sort((a, b) => (b === 'g++') - (a === 'g++')).find((name) => compiles(name, cpp20))
  if (found.length === 0) {
    missing.push({
      what: `a C++20 compiler (${process.env.CXX ? `no ${process.env.CXX}, which CXX names,` : 'none of c++, g++, clang++'} was found)`,
      key: 'compiler',
    })
  } else if (!compiler) {
    const versions = found.map((name) => {
      const [command, ...args] = name.trim().split(/\s+/)
      return spawnSync(command, [...args, '--version'], { encoding: 'utf8' }).stdout?.split('\n')[0] || name
    })
    missing.push({
      what: `a compiler that takes C++20, such as GCC 12 or Clang 14 (found: ${[...new Set(versions)].join('; ')})`,
      key: 'compiler',
    })
  } else {
    if (platform === 'linux' && !compiles(compiler, '#include <linux/if_packet.h>\n'))
      missing.push({ what: "the kernel's headers (linux/if_packet.h)", key: 'headers' })
    if (!compiles(compiler, '#include <pcap/pcap.h>\n'))
      missing.push({ what: "libpcap's headers (pcap/pcap.h)", key: 'pcap' })
  }
  if (!onPath('make')) missing.push({ what: 'make', key: 'make' })
  const python = process.env.PYTHON ?? process.env.npm_config_python
  if (!(python ? onPath(python) : onPath('python3') || onPath('python')))
    missing.push({ what: 'Python 3 (node-gyp runs on it)', key: 'python' })
  return { missing, compiler }
}

/** The message for a result of checkBuild(); `undefined` if nothing is missing. */
export function describeMissing({ platform, missing }) {
  if (platform) return `${platform}.`
  if (missing.length === 0) return undefined
  const lines = ['ringtap: the native addon cannot be built here. Missing:']
  for (const { what } of missing) lines.push(`  - ${what}`)
  if (process.platform === 'darwin') return [...lines, 'Install it: xcode-select --install'].join('\n')
  lines.push('Install it (as root):')
  for (const [name, key, command] of managers) {
    lines.push(`  ${name.padEnd(15)} ${command} ${missing.map((item) => packages[item.key][key]).join(' ')}`)
  }
  return lines.join('\n')
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const message = describeMissing(checkBuild())
  if (message) {
    console.error(message)
    process.exitCode = 1
  }
}
