export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
