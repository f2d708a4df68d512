export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export type { NetworkInterface, InterfaceAddress } from './network-interface.js'
export type { InterfacePattern } from './pattern.js'
export { explainSelection, type InterfaceRules, type InterfaceSelection, type SelectionExplanation } from './selection.js'
