import type { DissectorFields } from '../dissect/fields.js'
import { type FlowSlots, Rare, RareSum, slotDoubles, slotWords, Tcp } from './flow-slots.js'

// V8 folds a module's own constants, and reads imported ones anew at each use.
const { STATES, SEEN, FLAGS, NEXT } = Tcp
const rowWords = slotWords

/** States of one end of a connection, after Zeek's. @internal */
export const State = {
  INACTIVE: 0,
  SYN_SENT: 1,
  SYN_ACK_SENT: 2,
  PARTIAL: 3,
  ESTABLISHED: 4,
  CLOSED: 5,
  RESET: 6,
} as const

const { INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET } = State
const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

/**
 * Letters of the history, in the order of their numbers. Those of the responder are in lower case. Written once for each
 * end; C, G, T and W again when they have occurred 10, 100, 1000 … times.
 *
 * @internal
 */
export const letters = 'SHADFRCGTWIQ^'
const Letter = {
  SYN: 0,
  SYN_ACK: 1,
  ACK: 2,
  DATA: 3,
  FIN: 4,
  RST: 5,
  GAP: 7,
  RETRANSMISSION: 8,
  ZERO_WINDOW: 9,
  INCONSISTENT: 10,
  MULTIPLE: 11,
  FLIPPED: 12,
} as const
const responderBit = 16
const ackBit = 1 << Letter.ACK
const dataBit = 1 << Letter.DATA
/** A bit of Tcp.SEEN besides those of the letters: the time of a SYN-ACK is known, that of its acknowledgment is not yet. */
const awaitsAck = 1 << 15
const lettersPerWord = 6
const maxLetters = lettersPerWord * Rare.HISTORY_WORDS

/** Writes a letter. `end`: 0 the originator's, 1 the responder's. */
function addLetter(slots: FlowSlots, slot: number, letter: number, end: number): void {
  const { rareWords } = slots
  const at = slot * rowWords
  const count = rareWords[at + Rare.LETTERS] as number
  if (count === maxLetters) return
  const word = at + Rare.HISTORY + Math.floor(count / lettersPerWord)
  rareWords[word] = (rareWords[word] as number) | ((letter | (end << 4)) << (5 * (count % lettersPerWord)))
  rareWords[at + Rare.LETTERS] = count + 1
}

function addOnce(slots: FlowSlots, slot: number, letter: number, end: number): void {
  const bit = 1 << (letter + end * responderBit)
  const at = slot * rowWords + SEEN
  const seen = slots.words[at] as number
  if ((seen & bit) !== 0) return
  slots.words[at] = seen | bit
  addLetter(slots, slot, letter, end)
}

/** Counts in rare memory, and writes a letter at 1, 10, 100 … */
function addScaled(slots: FlowSlots, slot: number, counter: number, letter: number, end: number): void {
  const at = slot * rowWords + counter + end
  const count = (slots.rareWords[at] as number) + 1
  slots.rareWords[at] = count
  if (isPowerOfTen(count)) addLetter(slots, slot, letter, end)
}

function isPowerOfTen(count: number): boolean {
  let rest = count
  while (rest >= 10 && rest % 10 === 0) rest /= 10
  return rest === 1
}

/** The history as text. @internal */
export function historyOf({ rareWords }: FlowSlots, slot: number): string {
  let text = ''
  const at = slot * rowWords
  for (let i = 0; i < (rareWords[at + Rare.LETTERS] as number); i++) {
    const word = rareWords[at + Rare.HISTORY + Math.floor(i / lettersPerWord)] as number
    const code = (word >>> (5 * (i % lettersPerWord))) & 31
    const letter = letters[code & 15] as string
    text += code < 16 ? letter : letter.toLowerCase()
  }
  return text
}

/** Writes that a packet other than one of TCP has data. @internal */
export function noteData(slots: FlowSlots, slot: number, end: number): void {
  addOnce(slots, slot, Letter.DATA, end)
}

/** Writes that the responder's packet came first. @internal */
export function noteFlip(slots: FlowSlots, slot: number): void {
  addLetter(slots, slot, Letter.FLIPPED, 0)
}

/**
 * Follows a segment.
 *
 * @param end 0: the originator sent it, 1: the responder.
 * @param d its header: flags, window, sequence number, length of the data.
 * @param time milliseconds since 1970.
 * @returns whether it has ended the connection.
 * @internal
 */
export function trackSegment(slots: FlowSlots, slot: number, end: number, d: DissectorFields, time: number): boolean {
  const { words } = slots
  const at = slot * rowWords
  const flags = d.tcpFlags
  const sequence = d.tcpSequence | 0
  const length = d.payloadLength
  const states = words[at + STATES] as number
  const own = (states >>> (4 * end)) & 15
  const peer = (states >>> (4 - 4 * end)) & 15
  const seen = words[at + SEEN] as number
  words[at + FLAGS] = (words[at + FLAGS] as number) | (flags << (16 * end))

  // Most segments only go on with what is established: none of the following has anything to write then.
  const isPlain = (flags & (SYN | FIN | RST)) === 0
  const bit = (length > 0 ? dataBit : ackBit) << (responderBit * end)
  if (!isPlain || (seen & bit) === 0 || d.tcpWindow === 0) noteFlags(slots, slot, end, flags, d.tcpWindow, length)
  if (isPlain && own !== INACTIVE && sequence === words[at + NEXT + end]) words[at + NEXT + end] = sequence + length
  else trackSequence(slots, slot, end, flags, sequence, length, own)
  if ((flags & SYN) !== 0) {
    if ((flags & ACK) !== 0 || own <= SYN_ACK_SENT) noteSyn(slots, slot, flags, time)
  } else if ((seen & awaitsAck) !== 0 && end === 0 && ((flags & ACK) !== 0 || own <= SYN_ACK_SENT)) {
    slots.rareDoubles[slot * slotDoubles + RareSum.ACK] = time + 1
    words[at + SEEN] = (words[at + SEEN] as number) & ~awaitsAck
  }

  if (isPlain && own > SYN_ACK_SENT && peer !== SYN_ACK_SENT) return false
  const mine = nextState(own, flags)
  // The originator's acknowledgment, or data, is the end of the handshake for both.
  const other = mine !== RESET && (flags & SYN) === 0 && peer === SYN_ACK_SENT ? ESTABLISHED : peer
  const changed = (mine << (4 * end)) | (other << (4 - 4 * end))
  words[at + STATES] = changed
  return hasEnded(changed) && !hasEnded(states)
}

/** Whether a connection in these states has ended. @internal */
export function hasEnded(states: number): boolean {
  const originator = states & 15
  const responder = (states >>> 4) & 15
  return originator === RESET || responder === RESET || (originator === CLOSED && responder === CLOSED)
}

/** The state of the sender after a segment. */
function nextState(own: number, flags: number): number {
  if ((flags & RST) !== 0 || own === RESET) return RESET
  if ((flags & SYN) !== 0) {
    if (own !== INACTIVE) return own
    return (flags & ACK) !== 0 ? SYN_ACK_SENT : SYN_SENT
  }
  if ((flags & FIN) !== 0) return CLOSED
  if (own === INACTIVE) return PARTIAL
  return own === SYN_ACK_SENT || (own === SYN_SENT && (flags & ACK) !== 0) ? ESTABLISHED : own
}

function noteFlags(slots: FlowSlots, slot: number, end: number, flags: number, window: number, length: number): void {
  const kinds = flags & (SYN | FIN | RST)
  if (kinds === 0) {
    if (length === 0 && (flags & ACK) !== 0) addOnce(slots, slot, Letter.ACK, end)
  } else if ((kinds & SYN) !== 0) {
    if (kinds !== SYN) addOnce(slots, slot, Letter.MULTIPLE, end)
    else addOnce(slots, slot, (flags & ACK) !== 0 ? Letter.SYN_ACK : Letter.SYN, end)
  } else if (kinds === (FIN | RST)) {
    addOnce(slots, slot, Letter.INCONSISTENT, end)
  }
  if (length > 0) addOnce(slots, slot, Letter.DATA, end)
  if (kinds === FIN) addOnce(slots, slot, Letter.FIN, end)
  else if (kinds === RST) addOnce(slots, slot, Letter.RST, end)
  else if (window === 0 && kinds === 0) addOnce(slots, slot, Letter.ZERO_WINDOW, end)
}

/** Compares a segment with the sequence number expected: is it new, seen before, or is something missing before it? */
function trackSequence(
  slots: FlowSlots,
  slot: number,
  end: number,
  flags: number,
  sequence: number,
  length: number,
  own: number,
): void {
  const { words, rareWords } = slots
  const at = slot * rowWords + NEXT + end
  if ((flags & RST) !== 0) return
  const syn = (flags & SYN) !== 0
  const span = length + (syn ? 1 : 0) + (flags & FIN)
  const after = (sequence + span) | 0
  if (own === INACTIVE) {
    words[at] = after
    return
  }
  const expected = words[at] as number
  const ahead = (sequence - expected) | 0
  if (ahead === 0) {
    words[at] = after
    return
  }
  const hole = slot * rowWords + Rare.HOLES + 2 * end
  if (ahead > 0) {
    if (span === 0) return // a pure acknowledgment, whose number says what was sent: missing data will show
    addScaled(slots, slot, Rare.GAPS, Letter.GAP, end)
    addMissing(slots, slot, end, ahead)
    rareWords[hole] = expected
    rareWords[hole + 1] = sequence
    words[at] = after
    return
  }
  if (length === 0 && !syn && (flags & FIN) === 0) return // an old acknowledgment
  if (length <= 1 && ahead === -1 && !syn) return // a keep-alive probe (RFC 9293, section 3.8.4)
  const holeStart = rareWords[hole] as number
  const holeEnd = rareWords[hole + 1] as number
  const late = holeStart !== holeEnd && ((sequence - holeStart) | 0) >= 0 && ((sequence - holeEnd) | 0) < 0
  if (late) {
    const filled = Math.min(length, (holeEnd - sequence) | 0)
    const counter = slot * rowWords + Rare.OUT_OF_ORDER + end
    rareWords[counter] = (rareWords[counter] as number) + 1
    addMissing(slots, slot, end, -filled)
    // What is before it in the hole, or else behind it, is still missing.
    if (((sequence - holeStart) | 0) > 0) rareWords[hole + 1] = sequence
    else rareWords[hole] = (sequence + filled) | 0
  } else {
    addScaled(slots, slot, Rare.RETRANSMISSIONS, Letter.RETRANSMISSION, end)
  }
  if (((after - expected) | 0) > 0) words[at] = after
}

function addMissing({ rareDoubles }: FlowSlots, slot: number, end: number, bytes: number): void {
  const at = slot * slotDoubles + RareSum.GAP_BYTES + end
  rareDoubles[at] = (rareDoubles[at] as number) + bytes
}

/** Notes the time of a SYN or a SYN-ACK. */
function noteSyn({ words, rareDoubles }: FlowSlots, slot: number, flags: number, time: number): void {
  const at = slot * slotDoubles
  const which = at + ((flags & ACK) !== 0 ? RareSum.SYN_ACK : RareSum.SYN)
  // One that was sent again makes the time ambiguous (Karn's algorithm, RFC 6298, section 3).
  rareDoubles[which] = rareDoubles[which] === 0 ? time + 1 : Number.NaN
  if ((flags & ACK) === 0 || rareDoubles[at + RareSum.ACK] !== 0) return
  const seen = slot * rowWords + SEEN
  words[seen] = (words[seen] as number) | awaitsAck
}

/** What is known of the end of a TCP connection, in Zeek's words (`conn_state`). @internal */
export function tcpState(states: number, payload: number): string {
  const originator = states & 15
  const responder = (states >>> 4) & 15
  const noOriginator = originator === INACTIVE || originator === PARTIAL
  const noResponder = responder === INACTIVE || responder === PARTIAL
  if (responder === RESET) {
    const refused = originator === SYN_SENT || originator === SYN_ACK_SENT
    if (refused || (originator === RESET && payload === 0)) return 'REJ'
    return noOriginator ? 'RSTRH' : 'RSTR'
  }
  if (originator === RESET) return noResponder ? 'RSTOS0' : 'RSTO'
  if (originator === CLOSED && responder === CLOSED) return 'SF'
  if (originator === CLOSED) return noResponder ? 'SH' : 'S2'
  if (responder === CLOSED) return noOriginator ? 'SHR' : 'S3'
  if (originator === SYN_SENT && responder === INACTIVE) return 'S0'
  if (originator === ESTABLISHED && responder === ESTABLISHED) return 'S1'
  return 'OTH'
}
