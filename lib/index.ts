export { Capture } from './capture.js'
export type { CaptureEvents, CaptureInterfaceEvent } from './capture-events.js'
export type { CaptureOptions, ChunkOptions, LossOptions, OverflowOptions, RingOptions } from './capture-options.js'
export type { CaptureStats, DeviceLosses, InterfaceStats } from './capture-stats.js'
export { type CaptureCheck, type CaptureProblem, checkCapture } from './check-capture.js'
export { Chunk } from './chunk.js'
export {
  type CompiledFilter,
  type CompileFilterOptions,
  compileFilter,
  type FilterFormat,
  type FilterInstruction,
} from './compile-filter.js'
export {
  type CarriedBlockKind,
  type ConvertedFile,
  type ConvertOptions,
  type ConvertProgress,
  type ConvertResult,
  convertFiles,
  type SplitOptions,
} from './convert-files.js'
export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export { type HexdumpOptions, hexdump } from './hexdump.js'
export type { HostList, HostSets } from './hosts.js'
export { type Frames, type InjectOptions, Injector, type InjectorOptions, inject, type SendOptions } from './inject.js'
export type { InterfaceEvent } from './interface-event.js'
export { LinkType } from './link-type.js'
export { type ListInterfacesOptions, listInterfaces } from './list-interfaces.js'
export type { InterfaceLoss, LossFigures, LossLevel } from './loss-figures.js'
export type { LossEvent } from './loss-watch.js'
export type { InterfaceAddress, NetworkInterface } from './network-interface.js'
export { openFile } from './open-file.js'
export { Packet, type PacketKind, type VlanTag } from './packet.js'
export type { InterfacePattern } from './pattern.js'
export type { PermissionReason } from './permission.js'
export type { RecordOptions, RotateOptions } from './record-options.js'
export { type RecordedFile, Recording, type RecordingEvents, type RecordingStats } from './recording.js'
export { type ReplayOptions, type ReplayProgress, type ReplayResult, replay } from './replay.js'
export { Savefile } from './savefile.js'
export type { SavefileEvents, SavefileProgress, SavefileStats } from './savefile-events.js'
export type { SavefileFormOptions } from './savefile-form.js'
export type {
  ResolvedName,
  SavefileBlock,
  SavefileInterface,
  SavefileOption,
  SavefileSection,
} from './savefile-metadata.js'
export type { KeepOptions, SavefileBlockKind, SavefileChunkOptions, SavefileOptions } from './savefile-options.js'
export type { SavefileSource } from './savefile-source.js'
export {
  type SavefileCounts,
  SavefileWriter,
  type SavefileWriterOptions,
  type WriteOptions,
} from './savefile-writer.js'
export {
  explainSelection,
  type InterfaceRules,
  type InterfaceSelection,
  type SelectionExplanation,
} from './selection.js'
export type { Refusal, RefusalCause, SendResult } from './send-result.js'
export type { SoftnetStats } from './softnet.js'
export { type InterfaceWatcher, type WatchInterfacesOptions, watchInterfaces } from './watch-interfaces.js'
