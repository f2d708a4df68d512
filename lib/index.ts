export { Capture } from './capture/capture.js'
export type { CaptureEvents, CaptureInterfaceEvent } from './capture/capture-events.js'
export type { CaptureOptions } from './capture/capture-options.js'
export type { CaptureStats } from './capture/capture-stats.js'
export { type CaptureCheck, type CaptureProblem, checkCapture } from './capture/check-capture.js'
export type { CutoffOptions } from './capture/cutoff-options.js'
export type { DeviceLosses, InterfaceStats } from './capture/interface-stats.js'
export type { LossOptions } from './capture/loss-options.js'
export type { InterfaceLoss, LossLevel, LossStats } from './capture/loss-stats.js'
export type { LossEvent } from './capture/loss-watch.js'
export type { RingGroup, RingGroupMode } from './capture/ring-group.js'
export type { ChunkOptions, OverflowOptions, RingOptions } from './capture/ring-options.js'
export type { SampleOptions } from './capture/sample-options.js'
export type { Slice } from './capture/slice-options.js'
export { formatIp, formatMac, parseIp } from './dissect/address.js'
export { type Checksum, type ChecksumState, type Checksums, internetChecksum } from './dissect/checksum.js'
export { Dissector, type DissectorOptions } from './dissect/dissector.js'
export type { DissectorFields } from './dissect/fields.js'
export type { Headers } from './dissect/headers.js'
export { Layer, Malformed } from './dissect/layer.js'
export { serviceName } from './dissect/services.js'
export { formatTimestamp } from './dissect/timestamp.js'
export type { Tunnel } from './dissect/tunnel-option.js'
export { CaptureError, type CaptureErrorCode, type CaptureErrorDetails } from './errors.js'
export { type Answer, type RequestOptions, request } from './exchange/request.js'
export type { HostList, HostSets } from './filter/address-sets.js'
export {
  type CompiledFilter,
  type CompileFilterOptions,
  compileFilter,
  type FilterFormat,
  type FilterInstruction,
} from './filter/compile-filter.js'
export type { Connection, ConnectionList } from './filter/connections.js'
export type { Flow, FlowDirection, FlowEnd, FlowHandshake, FlowJson } from './flows/flow.js'
export type { EcsEnd, EcsEvent, ZeekConnection } from './flows/flow-formats.js'
export type { FlowKeyPart, FlowTableOptions } from './flows/flow-options.js'
export { FlowTable, type FlowTableStats } from './flows/flow-table.js'
export type { FlowOrder } from './flows/largest-flows.js'
export { frame } from './frame/frame.js'
export type {
  ArpFields,
  EthernetFields,
  FrameLayers,
  IcmpFields,
  Ipv4Fields,
  Ipv6Extension,
  Ipv6Fields,
  TcpFields,
  TcpFlag,
  UdpFields,
  VlanFields,
} from './frame/frame-options.js'
export type { InterfaceEvent } from './interfaces/interface-event.js'
export { type ListInterfacesOptions, listInterfaces } from './interfaces/list-interfaces.js'
export type { InterfaceAddress, NetworkInterface } from './interfaces/network-interface.js'
export type { InterfacePattern } from './interfaces/pattern.js'
export {
  type Peer,
  type PeerContainer,
  type PeerGap,
  type PeerNamespace,
  type PeerPod,
  type PeerProcess,
  type ResolvePeerOptions,
  resolvePeer,
  resolvePeers,
} from './interfaces/resolve-peer.js'
export {
  explainSelection,
  type InterfaceRules,
  type InterfaceSelection,
  type SelectionExplanation,
} from './interfaces/selection.js'
export type { SoftnetStats } from './interfaces/softnet.js'
export { type InterfaceWatcher, type WatchInterfacesOptions, watchInterfaces } from './interfaces/watch-interfaces.js'
export type { OwnerFilter, OwnerPattern } from './owners/owner-filter.js'
export type { OwnedFlow } from './owners/owner-key.js'
export type { SocketOwnersOptions } from './owners/owner-options.js'
export type {
  OwnerGap,
  OwnerProcess,
  OwnerSource,
  OwnerUnknown,
  PacketOwners,
  SocketOwner,
} from './owners/socket-owner.js'
export { SocketOwners, type SocketOwnersStats } from './owners/socket-owners.js'
export { Chunk, type ChunkJson } from './packets/chunk.js'
export type { Compression, EncodeOptions } from './packets/encode-options.js'
export { hexdump } from './packets/hexdump.js'
export type { HexdumpOptions } from './packets/hexdump-options.js'
export { LinkType } from './packets/link-type.js'
export { Packet, type PacketJson, type PacketKind } from './packets/packet.js'
export type { PacketOptions, VlanTag } from './packets/packet-options.js'
export type { PermissionReason } from './permission.js'
export { type HttpRequest, parseHttpRequest } from './protocols/http-request.js'
export { parseTlsClientHello, type TlsClientHello } from './protocols/tls-client-hello.js'
export type { Batch, BatchLosses } from './record/batch.js'
export type { BatchOptions } from './record/batch-options.js'
export type { Batches } from './record/batcher.js'
export type { ExtractOptions, ExtractResult } from './record/extract.js'
export type { FlightDumpOptions, FlightRecorderOptions } from './record/flight-options.js'
export { type FlightDump, FlightRecorder, type FlightRecorderStats } from './record/flight-recorder.js'
export { PacketServer, type PacketServerEvents, type PacketServerStats } from './record/packet-server.js'
export type { RecordOptions, RotateOptions } from './record/record-options.js'
export type { RecordedFile } from './record/recorded-file.js'
export type { OwnersOption } from './record/recorded-owners.js'
export { Recording, type RecordingEvents, type RecordingStats } from './record/recording.js'
export type { Pem, ServeOptions, ServeTlsOptions } from './record/serve-options.js'
export type { ServerReaderStats } from './record/server-reader.js'
export {
  type ConvertedFile,
  type ConvertOptions,
  type ConvertProgress,
  type ConvertResult,
  convertFiles,
  type PassthroughBlockKind,
  type SplitOptions,
} from './savefile/convert-files.js'
export type { KeyLog } from './savefile/key-log.js'
export { openFile } from './savefile/open-file.js'
export { Savefile } from './savefile/savefile.js'
export type { SavefileEvents, SavefileProgress, SavefileStats } from './savefile/savefile-events.js'
export type { SavefileFormOptions } from './savefile/savefile-form.js'
export type {
  ResolvedName,
  SavefileBlock,
  SavefileInterface,
  SavefileOption,
  SavefileSection,
} from './savefile/savefile-metadata.js'
export type {
  KeepOptions,
  SavefileBlockKind,
  SavefileChunkOptions,
  SavefileOptions,
} from './savefile/savefile-options.js'
export type { SavefileSource } from './savefile/savefile-source.js'
export {
  type SavefileCounts,
  SavefileWriter,
  type SavefileWriterOptions,
  type WriteOptions,
} from './savefile/savefile-writer.js'
export {
  type Frames,
  type InjectOptions,
  Injector,
  type InjectorOptions,
  inject,
  type SendOptions,
} from './send/inject.js'
export { type ReplayOptions, type ReplayProgress, type ReplayResult, replay } from './send/replay.js'
export type { Refusal, RefusalCause, SendResult } from './send/send-result.js'
export { Defragmenter, type DefragmenterOptions, type DefragmenterStats } from './streams/defragmenter.js'
export type { TcpReassemblerOptions } from './streams/reassembler-options.js'
export { TcpReassembler, type TcpReassemblerStats } from './streams/tcp-reassembler.js'
export type { TcpDirection, TcpEnd, TcpStream, TcpStreamEnd } from './streams/tcp-stream.js'
