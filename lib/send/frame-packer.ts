import { optionError } from '../errors.js'
import { Frame } from '../native/layouts.js'
import { PacketFlag } from '../native/numbers.js'
import { Packet } from '../packets/packet.js'
import { TOO_LONG, TRUNCATED } from './send-result.js'

/** Bytes and frames passed to the addon in one call. */
const usualBytes = 256 * 1024
const maxFrames = 4096
/** Longer frames are refused without a copy. No device of Linux takes one. */
const maxFrame = 16 << 20
const none = new Uint8Array(0)

/** kLinkTypeUnknown of native/core/util/link_type.h: no LINKTYPE_ number fits the device. */
const unknownLinkType = 0xffff

/**
 * Copies frames into one buffer, so that one call passes many of them to the addon. The buffer is reused for every
 * part: 320 KiB with the layout, or more for a frame longer than 256 KiB.
 *
 * @internal
 */
export class FramePacker {
  bytes = new ArrayBuffer(usualBytes)
  /** Consecutive {@link Frame} descriptors. */
  readonly layout = new Uint32Array(maxFrames * Frame.WORDS)
  count = 0
  #used = 0
  #view = new Uint8Array(this.bytes)

  clear(): void {
    this.count = 0
    this.#used = 0
  }

  /** Adds a frame. Returns false, and adds nothing, if the frames so far have to be sent and cleared first. */
  add(frame: Uint8Array | Packet): boolean {
    const isPacket = frame instanceof Packet
    const given = isPacket ? frame.data : frame
    const data = given.length > maxFrame ? none : given
    if (!this.#fits(data.length)) return false
    let tag = 0
    let packet = 0
    let refusal = given.length > maxFrame ? TOO_LONG : 0
    if (isPacket) {
      const { vlan, capturedLength, originalLength } = frame
      if (vlan) tag = vlan.protocol * 0x10000 + (vlan.priority << 13) + (vlan.dropEligible ? 0x1000 : 0) + vlan.id
      if (capturedLength < originalLength) refusal = TRUNCATED
      packet = PacketFlag.PACKET | (frame.linkType ?? unknownLinkType)
      if (frame.checksumPending) packet |= PacketFlag.CHECKSUM_PENDING
    }
    const at = this.count++ * Frame.WORDS
    this.layout[at + Frame.LENGTH] = data.length
    this.layout[at + Frame.TAG] = tag
    this.layout[at + Frame.REFUSAL] = refusal
    this.layout[at + Frame.PACKET] = packet
    // A view whose buffer is detached or has shrunk has length 0, and set() throws for it.
    if (data.length > 0) this.#view.set(data, this.#used)
    this.#used += data.length
    return true
  }

  #fits(length: number): boolean {
    if (this.count === maxFrames) return false
    if (this.#used + length <= this.bytes.byteLength) return true
    if (this.count > 0) return false
    this.bytes = new ArrayBuffer(length)
    this.#view = new Uint8Array(this.bytes)
    return true
  }
}

/**
 * Yields the frames of an iterable. Each is checked when it is taken; {@link checkFrames} has already checked those of
 * an array, before anything is sent.
 *
 * @throws CaptureError `ERR_OPTION`.
 * @internal
 */
export function* eachFrame(frames: unknown): Generator<Uint8Array | Packet, void, undefined> {
  let position = 0
  for (const frame of frames as Iterable<unknown>) {
    yield checkFrame(frame, position)
    position++
  }
}

/** @internal */
export function checkFrames(frames: unknown): Iterable<unknown> {
  if (isFrame(frames)) return [frames]
  if (typeof frames !== 'object' || frames === null || !(Symbol.iterator in frames)) {
    throw optionError('frames', 'a Uint8Array, a Packet, or an iterable of these', frames)
  }
  if (Array.isArray(frames)) for (let i = 0; i < frames.length; i++) checkFrame(frames[i], i)
  return frames as Iterable<unknown>
}

function isFrame(value: unknown): value is Uint8Array | Packet {
  return value instanceof Uint8Array || value instanceof Packet
}

function checkFrame(frame: unknown, position: number): Uint8Array | Packet {
  if (!isFrame(frame)) throw optionError(`frames[${position}]`, 'a Uint8Array or a Packet', frame)
  return frame
}
