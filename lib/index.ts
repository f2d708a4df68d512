export {
  type CompiledFilter,
  compileFilter,
  type CompileFilterOptions,
  type FilterFormat,
  type FilterInstruction,
} from './compile-filter.js'
export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export type { InterfacePattern } from './pattern.js'
export { explainSelection, type InterfaceRules, type InterfaceSelection, type SelectionExplanation } from './selection.js'
export { checkCapture, type CaptureCheck, type CaptureProblem } from './check-capture.js'
export type { PermissionReason } from './permission.js'
export type { InterfaceEvent } from './interface-event.js'
export { listInterfaces } from './list-interfaces.js'
export type { InterfaceAddress, NetworkInterface } from './network-interface.js'
export { watchInterfaces, type InterfaceWatcher, type WatchInterfacesOptions } from './watch-interfaces.js'

export { Capture, type CaptureEvents, type CaptureInterfaceEvent } from './capture.js'
export type { CaptureOptions, ChunkOptions, RingOptions } from './capture-options.js'
export type { CaptureStats, InterfaceStats } from './capture-stats.js'
export { Chunk } from './chunk.js'
export { Packet, type PacketKind, type VlanTag } from './packet.js'
export { hexdump, type HexdumpOptions } from './hexdump.js'
export { LinkType } from './link-type.js'
