export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export { hexdump, type HexdumpOptions } from './hexdump.js'
