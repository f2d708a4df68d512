import loaded from './addon.cjs'
import { CaptureError, type CaptureErrorCode } from './errors.js'

/**
 * What the addon exports. Each room of the binding (native/binding/) adds its part here.
 *
 * @internal
 */
export interface Native {
  setErrorFactory(
    factory: (code: CaptureErrorCode, message: string, errno: number, syscall: string, name: string) => CaptureError,
  ): void

  compileFilter(expression: string, linkType: number, snapshotLength: number): Promise<FilterHandle>
  filterInstructions(handle: FilterHandle): ArrayBuffer
  filterListing(handle: FilterHandle): string
  filterMatches(handle: FilterHandle, bytes: Uint8Array, originalLength: number): boolean
}

/**
 * A compiled filter in native memory.
 *
 * @internal
 */
export interface FilterHandle {
  readonly filterHandle: unique symbol
}

let ready: Native | undefined

/**
 * The addon, loaded when it is first needed, so that importing the library never fails.
 *
 * @throws CaptureError `ERR_NATIVE_UNAVAILABLE`, with the remedy, where it cannot be loaded.
 * @internal
 */
export function native(): Native {
  if (ready) return ready
  if (!loaded.addon) {
    const remedy =
      process.platform === 'linux'
        ? 'Build it with "npm rebuild ringtap --foreground-scripts" or, in the source tree, "npm run build"; ' +
          'that needs a C++20 compiler, make, Python 3 and the libpcap headers (Debian: libpcap-dev, Fedora: libpcap-devel, Alpine: libpcap-dev).'
        : 'ringtap captures through AF_PACKET and runs on Linux only.'
    throw new CaptureError(
      'ERR_NATIVE_UNAVAILABLE',
      `the native addon of ringtap could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. ${remedy} (${loaded.failure?.message ?? 'no reason known'})`,
      { cause: loaded.failure },
    )
  }
  const addon = loaded.addon as Native
  addon.setErrorFactory((code, message, errno, syscall, name) => {
    return new CaptureError(code, message, { errno, syscall, interface: name })
  })
  ready = addon
  return ready
}
