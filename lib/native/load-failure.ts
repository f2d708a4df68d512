// Says why the addon could not be loaded: every place that was tried, the reason, and what to do about it.
import type { Libc } from './libc.js'

/** One place where the addon was looked for. */
export interface Attempt {
  place: string
  error: Error
}

export interface LoadFailure {
  attempts: Attempt[]
  libc: Libc
  /** A bundler has taken the JavaScript out of the package. */
  bundled: boolean
  /** The package's folder, unless it is bundled. */
  root: string | undefined
}

/** Whether a file is ringtap's own package.json. The addon is in the same folder. */
export function isOwnManifest(file: string): boolean {
  try {
    const { readFileSync } = process.getBuiltinModule('node:fs')
    return (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'ringtap'
  } catch (error) {
    // Exists, but may not be read: it is where the package has it.
    return isDenied(error as Error)
  }
}

/** The message of ERR_NATIVE_UNAVAILABLE. */
export function describeFailure(failure: LoadFailure): string {
  const { platform, arch, version } = process
  const libc = platform === 'linux' && failure.libc !== 'unknown' ? ` (${failure.libc})` : ''
  const head = `the native addon of ringtap could not be loaded on ${platform}-${arch}${libc}, Node ${version}.`
  if (platform !== 'linux' && platform !== 'darwin')
    return `${head} ringtap captures on Linux; on macOS, its half for files can be built from source.`
  const causes = failure.attempts.map(({ place, error }) => {
    const reason = error.message
      .replace(/\nRequire stack:[\s\S]*/, '')
      .trim()
      .replace(/\s+/g, ' ')
    return `\n- ${reason.includes(place) ? reason : `${place}: ${reason}`}`
  })
  const remedies = new Set(failure.attempts.map(({ error }) => remedyFor(error, failure.root)).filter(Boolean))
  // Places without a file are expected where another place has one, which did not load for a reason of its own.
  if (remedies.size === 0)
    remedies.add(failure.bundled ? external : `The package has no addon for ${platform}-${arch} here. ${build}`)
  return `${head} ${[...remedies].join(' ')} Tried:${causes.join('') || ' nothing'}`
}

const build =
  'Build it with "npm explore ringtap -- npm run build:native" or, in the source tree, "npm run build"; that needs a ' +
  'C++20 compiler, make, Python 3 and the libpcap headers (Debian: libpcap-dev, Fedora: libpcap-devel, Alpine: ' +
  'libpcap-dev; macOS: the command line tools of Xcode have all of it).'

const external =
  'A bundler has taken ringtap apart from its addon: mark ringtap as external (esbuild: --external:ringtap; webpack: ' +
  "externals; Rollup: external: ['ringtap']) and install it where the bundle runs, or copy the package's folder " +
  'prebuilds beside the bundle.'

/** What to do about one reason; `undefined` if the file is missing, or the reason is not recognised. */
export function remedyFor(error: Error, root: string | undefined): string | undefined {
  const { code } = error as NodeJS.ErrnoException
  const text = error.message
  if (code === 'ERR_DLOPEN_DISABLED' || /addons? (?:is|are) disabled|requires ffi access/i.test(text))
    return 'This process may not load addons: start Node with --allow-addons beside --permission, and without --no-addons; Deno with --allow-ffi.'
  if (isDenied(error))
    return `This process may not read the addon: start Node with --allow-fs-read=${root ?? 'DIRECTORY'}, Deno with --allow-read.`
  const glibc = /version [`']GLIBC_([\d.]+)' not found/.exec(text)?.[1]
  if (glibc) return `This system's glibc is older than ${glibc}, which the addon needs. ${build}`
  if (/version [`']GLIBCXX_|version [`']CXXABI_/.test(text))
    return `The addon was compiled on a newer system than this one. ${build}`
  if (/libpcap\.so[\w.]*: cannot open|Error loading shared library libpcap/.test(text))
    return 'This addon was built from source and needs the library libpcap (Debian: libpcap0.8, elsewhere: libpcap); install it, or delete the folder build in the package to use the prebuilt addon.'
  if (/invalid ELF header|wrong ELF class|cannot open shared object file: No such file|Exec format error/.test(text))
    return 'The addon is for another platform: install ringtap on the system that it runs on, not on another one.'
  return undefined
}

function isDenied(error: Error): boolean {
  const { code, name, message } = error as NodeJS.ErrnoException
  // Deno's errors have no code. It also refuses variables of the environment, which the addon does without.
  return code === 'ERR_ACCESS_DENIED' || (/^(NotCapable|PermissionDenied)$/.test(name) && /read access/.test(message))
}
