import { CaptureError, type CaptureErrorCode } from '../errors.js'
import loaded from './addon.cjs'

/** Creates a CaptureError from an error of the native code (native/binding/util/errors.cpp). */
type ErrorFactory = (
  code: CaptureErrorCode,
  message: string,
  errno: number,
  syscall: string,
  name: string,
  option: string,
  offset: number,
) => CaptureError

let ready: unknown

/**
 * The exports of the addon. The addon is initialised at the first call, so that importing the library never fails. Each
 * folder of lib declares the exports that it uses in its own native.ts.
 *
 * @throws CaptureError `ERR_NATIVE_UNAVAILABLE`, with the remedy in its message, if the addon cannot be loaded.
 * @internal
 */
export function nativeExports<Exports>(): Exports {
  if (ready) return ready as Exports
  if (!loaded.addon) {
    throw new CaptureError(
      'ERR_NATIVE_UNAVAILABLE',
      `the native addon of ringtap could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. ${remedy()} (${loaded.failure?.message.trim().replace(/\s+/g, ' ') ?? 'no reason known'})`,
      { cause: loaded.failure },
    )
  }
  const addon = loaded.addon as { setErrorFactory(factory: ErrorFactory): void }
  addon.setErrorFactory((code, message, errno, syscall, name, option, offset) => {
    return new CaptureError(code, message, {
      errno,
      syscall,
      interface: name,
      option,
      offset: offset < 0 ? undefined : offset,
    })
  })
  ready = addon
  return addon as Exports
}

function remedy(): string {
  if (process.platform !== 'linux') return 'ringtap captures through AF_PACKET and runs on Linux only.'
  if (loaded.bundled) {
    return (
      'A bundler has taken ringtap apart from its addon: mark ringtap as external (esbuild: --external:ringtap; ' +
      "webpack: externals; Rollup: external: ['ringtap']) and install it where the bundle runs."
    )
  }
  return (
    'Build it with "npm explore ringtap -- npm run build:native" or, in the source tree, "npm run build"; ' +
    'that needs a C++20 compiler, make, Python 3 and the libpcap headers (Debian: libpcap-dev, Fedora: libpcap-devel, Alpine: libpcap-dev).'
  )
}
