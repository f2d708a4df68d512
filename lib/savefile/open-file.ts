import { Readable } from 'node:stream'
import { throwIfAborted } from '../arguments.js'
import type { CheckedSelection } from '../interfaces/selection.js'
import { native } from './native.js'
import { Savefile } from './savefile.js'
import { normaliseSavefileOptions, type SavefileOptions } from './savefile-options.js'
import { openSource, type SavefileSource } from './savefile-source.js'

/**
 * Opens a savefile: pcap (microseconds or nanoseconds, either byte order) or pcapng, plain or compressed with gzip or
 * zstd, recognised by its content. Its packets come in the same chunks as those of a {@link Capture}.
 *
 * ```ts
 * await using file = await openFile('trace.pcapng.gz', { filter: 'udp port 53' })
 * for await (const chunk of file) chunk.forEach((packet) => console.log(packet.timestamp, packet.interface.name))
 * ```
 *
 * A regular file is read, unpacked and parsed on a separate thread, a few chunks ahead. gzip is unpacked by Node's or
 * the system's zlib, zstd by the system's libzstd.so.1 (or Node's, if that is accessible).
 *
 * @param source A path, a `file:` URL, or a stream of bytes (a Readable, or any AsyncIterable of Uint8Array). The
 *   stream then belongs to the file: it is destroyed when the file is closed.
 * @throws CaptureError (the promise rejects) `ERR_FILE_FORMAT` if it is no savefile, of a version or compression that
 *   cannot be read, or has reserved bits set in its link type; `ERR_FILE_TRUNCATED` if it is empty or ends before its
 *   first section or header is complete; `ERR_SYSTEM` with `errno` if it cannot be opened; `ERR_PERMISSION`;
 *   `ERR_OPTION`; `ERR_PATTERN`; `ERR_FILTER_SYNTAX`, `ERR_FILTER_TOO_LARGE`; `ERR_NO_INTERFACE` if nothing of a pcap
 *   file is selected; `ERR_NATIVE_UNAVAILABLE`. The reason of an aborted signal, and the error of a stream, are thrown
 *   as they are.
 */
export async function openFile(source: SavefileSource, options?: SavefileOptions): Promise<Savefile> {
  const checked = normaliseSavefileOptions(options)
  const normalised = { ...checked, selection: await compiledBeside(source, checked.selection) }
  throwIfAborted(normalised.signal)
  const addon = native()
  const opened = await openSource(source)
  let wake = () => {}
  let file: Savefile
  try {
    const reader = addon.openSavefile(normalised.native, opened.file?.fd ?? -1, () => wake())
    file = Savefile._make(reader, opened, normalised)
    wake = () => file._wake()
  } finally {
    await opened.file?.close() // the reader has duplicated the descriptor
  }
  return await file._open()
}

/** Compiles the selection. An error that a stream emits meanwhile is reported by its iterator later. */
async function compiledBeside(source: SavefileSource, selection: CheckedSelection | undefined) {
  const stream = source instanceof Readable ? source : undefined
  const ignore = () => {}
  stream?.on('error', ignore)
  try {
    return await selection?.compile()
  } finally {
    stream?.off('error', ignore)
  }
}
