export {
  type CompiledFilter,
  compileFilter,
  type CompileFilterOptions,
  type FilterFormat,
  type FilterInstruction,
} from './compile-filter.js'
export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export { LinkType } from './link-type.js'
