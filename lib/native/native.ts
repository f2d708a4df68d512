import { CaptureError, type CaptureErrorCode } from '../errors.js'
import { type Loaded, loadAddon } from './addon.js'
import { describeFailure } from './load-failure.js'

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

// Now, so that a program can change its root directory or give up privileges before it captures.
let loaded: Loaded = loadAddon()
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
  // A bundle may have registered its addon since.
  if ('failure' in loaded) loaded = loadAddon()
  if ('failure' in loaded) {
    const { failure } = loaded
    throw new CaptureError('ERR_NATIVE_UNAVAILABLE', describeFailure(failure), {
      cause: failure.attempts.at(-1)?.error,
    })
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

/**
 * As {@link nativeExports}, for exports of the addon that exist on Linux alone (native/binding/linux.cpp).
 *
 * @throws CaptureError `ERR_NOT_SUPPORTED` on another system, whether or not there is an addon for it.
 * @internal
 */
export function linuxExports<Exports>(): Exports {
  const { platform } = process
  if (platform !== 'linux') throw notSupported(`which ${platform} is not`)
  const addon = nativeExports<object>()
  if (!('openCapture' in addon)) throw notSupported('which this build of the addon leaves out')
  return addon as Exports
}

function notSupported(reason: string): CaptureError {
  return new CaptureError(
    'ERR_NOT_SUPPORTED',
    `capturing, sending, and listing or watching interfaces need Linux, ${reason}; what works here: reading, writing and ` +
      'converting files (openFile, SavefileWriter, convertFiles), filters and patterns (compileFilter, ' +
      'explainSelection), and everything that reads packets in memory (Dissector, FlowTable, TcpReassembler, hexdump)',
  )
}
