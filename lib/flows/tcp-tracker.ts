import { type FlowSlots, gapBytes, Handshake, Rare, slotDoubles, slotWords, Tcp } from './flow-slots.js'

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

const Flag = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const

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
const lettersPerWord = 6
const maxLetters = lettersPerWord * Rare.HISTORY_WORDS

/** Writes a letter. `end`: 0 the originator's, 1 the responder's. */
function addLetter(slots: FlowSlots, slot: number, letter: number, end: number): void {
  const { words } = slots
  const at = slot * slotWords
  const count = words[at + Rare.LETTERS] as number
  if (count === maxLetters) return
  const word = at + Rare.HISTORY + Math.floor(count / lettersPerWord)
  words[word] = (words[word] as number) | ((letter | (end << 4)) << (5 * (count % lettersPerWord)))
  words[at + Rare.LETTERS] = count + 1
}

function addOnce(slots: FlowSlots, slot: number, letter: number, end: number): void {
  const bit = 1 << (letter + end * responderBit)
  const at = slot * slotWords + Tcp.SEEN
  const seen = slots.words[at] as number
  if ((seen & bit) !== 0) return
  slots.words[at] = seen | bit
  addLetter(slots, slot, letter, end)
}

/** Counts in rare memory, and writes a letter at 1, 10, 100 … */
function addScaled(slots: FlowSlots, slot: number, counter: number, letter: number, end: number): void {
  const at = slot * slotWords + counter + end
  const count = (slots.words[at] as number) + 1
  slots.words[at] = count
  if (Number.isInteger(Math.log10(count))) addLetter(slots, slot, letter, end)
}

/** The history as text. @internal */
export function historyOf({ words }: FlowSlots, slot: number): string {
  let text = ''
  const at = slot * slotWords
  for (let i = 0; i < (words[at + Rare.LETTERS] as number); i++) {
    const word = words[at + Rare.HISTORY + Math.floor(i / lettersPerWord)] as number
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

/** A TCP segment. @internal */
export interface Segment {
  flags: number
  sequence: number
  window: number
  /** Bytes of data. */
  length: number
  /** Milliseconds since 1970. */
  time: number
}

/**
 * Follows a segment.
 *
 * @param end 0: the originator sent it, 1: the responder.
 * @returns whether the connection has ended.
 * @internal
 */
export function trackSegment(slots: FlowSlots, slot: number, end: number, segment: Segment): boolean {
  const { words } = slots
  const at = slot * slotWords
  const { flags } = segment
  const states = words[at + Tcp.STATES] as number
  const own = (states >>> (4 * end)) & 15
  const peer = (states >>> (4 * (1 - end))) & 15
  words[at + Tcp.FLAGS] = (words[at + Tcp.FLAGS] as number) | (flags << (16 * end))
  noteFlags(slots, slot, end, segment)
  trackSequence(slots, slot, end, segment, own)
  if ((flags & Flag.ACK) !== 0 || own <= State.SYN_ACK_SENT) noteHandshake(slots, slot, end, segment)

  const [mine, other] = nextStates(own, peer, flags)
  if (mine !== own || other !== peer) words[at + Tcp.STATES] = (mine << (4 * end)) | (other << (4 * (1 - end)))
  return mine === State.RESET || other === State.RESET || (mine === State.CLOSED && other === State.CLOSED)
}

const unchanged: [own: number, peer: number] = [0, 0]

/** The states of the sender and its peer after a segment. */
function nextStates(own: number, peer: number, flags: number): readonly [own: number, peer: number] {
  const result = unchanged
  result[0] = own
  result[1] = peer
  if ((flags & Flag.RST) !== 0) result[0] = State.RESET
  else if (own === State.RESET) return result
  else if ((flags & Flag.SYN) !== 0) {
    if (own === State.INACTIVE) result[0] = (flags & Flag.ACK) !== 0 ? State.SYN_ACK_SENT : State.SYN_SENT
  } else {
    if (own === State.INACTIVE) result[0] = State.PARTIAL
    else if (own === State.SYN_SENT && (flags & Flag.ACK) !== 0) {
      result[0] = State.ESTABLISHED
    } else if (own === State.SYN_ACK_SENT) result[0] = State.ESTABLISHED
    // The originator's acknowledgment, or data, is the end of the handshake for both.
    if (peer === State.SYN_ACK_SENT) result[1] = State.ESTABLISHED
    if ((flags & Flag.FIN) !== 0) result[0] = State.CLOSED
  }
  return result
}

function noteFlags(slots: FlowSlots, slot: number, end: number, { flags, window, length }: Segment): void {
  const kinds = flags & (Flag.SYN | Flag.FIN | Flag.RST)
  if (kinds === 0) {
    if (length === 0 && (flags & Flag.ACK) !== 0) addOnce(slots, slot, Letter.ACK, end)
  } else if ((kinds & Flag.SYN) !== 0) {
    if (kinds !== Flag.SYN) addOnce(slots, slot, Letter.MULTIPLE, end)
    else addOnce(slots, slot, (flags & Flag.ACK) !== 0 ? Letter.SYN_ACK : Letter.SYN, end)
  } else if (kinds === (Flag.FIN | Flag.RST)) {
    addOnce(slots, slot, Letter.INCONSISTENT, end)
  }
  if (length > 0) addOnce(slots, slot, Letter.DATA, end)
  if (kinds === Flag.FIN) addOnce(slots, slot, Letter.FIN, end)
  else if (kinds === Flag.RST) addOnce(slots, slot, Letter.RST, end)
  else if (window === 0 && kinds === 0) addOnce(slots, slot, Letter.ZERO_WINDOW, end)
}

/** Compares a segment with the sequence number expected: is it new, seen before, or is something missing before it? */
function trackSequence(slots: FlowSlots, slot: number, end: number, segment: Segment, own: number): void {
  const { words } = slots
  const at = slot * slotWords + Tcp.NEXT + end
  const { flags, sequence, length } = segment
  if ((flags & Flag.RST) !== 0) return
  const syn = (flags & Flag.SYN) !== 0
  const span = length + (syn ? 1 : 0) + (flags & Flag.FIN)
  const after = (sequence + span) | 0
  if (own === State.INACTIVE) {
    words[at] = after
    return
  }
  const expected = words[at] as number
  const ahead = (sequence - expected) | 0
  if (ahead === 0) {
    words[at] = after
    return
  }
  const hole = slot * slotWords + Rare.HOLES + 2 * end
  if (ahead > 0) {
    if (span === 0) return // a pure acknowledgment, whose number says what was sent: missing data will show
    addScaled(slots, slot, Rare.GAPS, Letter.GAP, end)
    addMissing(slots, slot, end, ahead)
    words[hole] = expected
    words[hole + 1] = sequence | 0
    words[at] = after
    return
  }
  if (length === 0 && !syn && (flags & Flag.FIN) === 0) return // an old acknowledgment
  if (length <= 1 && ahead === -1 && !syn) return // a keep-alive probe (RFC 9293, section 3.8.4)
  const holeStart = words[hole] as number
  const holeEnd = words[hole + 1] as number
  const late = holeStart !== holeEnd && ((sequence - holeStart) | 0) >= 0 && ((sequence - holeEnd) | 0) < 0
  if (late) {
    const filled = Math.min(length, (holeEnd - sequence) | 0)
    const counter = slot * slotWords + Rare.OUT_OF_ORDER + end
    words[counter] = (words[counter] as number) + 1
    addMissing(slots, slot, end, -filled)
    // What is before it in the hole, or else behind it, is still missing.
    if (((sequence - holeStart) | 0) > 0) words[hole + 1] = sequence | 0
    else words[hole] = (sequence + filled) | 0
  } else {
    addScaled(slots, slot, Rare.RETRANSMISSIONS, Letter.RETRANSMISSION, end)
  }
  if (((after - expected) | 0) > 0) words[at] = after
}

function addMissing({ doubles }: FlowSlots, slot: number, end: number, bytes: number): void {
  const at = slot * slotDoubles + gapBytes(end)
  doubles[at] = (doubles[at] as number) + bytes
}

function noteHandshake(slots: FlowSlots, slot: number, end: number, { flags, time }: Segment): void {
  const { doubles } = slots
  const at = slot * slotDoubles
  if ((flags & Flag.SYN) !== 0) {
    const which = (flags & Flag.ACK) !== 0 ? Handshake.SYN_ACK : Handshake.SYN
    // One that was sent again makes the time ambiguous (Karn's algorithm, RFC 6298, section 3).
    doubles[at + which] = doubles[at + which] === 0 ? time + 1 : Number.NaN
  } else if (end === 0 && doubles[at + Handshake.SYN_ACK] !== 0 && doubles[at + Handshake.ACK] === 0) {
    doubles[at + Handshake.ACK] = time + 1
  }
}

/** What is known of the end of a TCP connection, in Zeek's words (`conn_state`). @internal */
export function tcpState(states: number, payload: number): string {
  const originator = states & 15
  const responder = (states >>> 4) & 15
  const noOriginator = originator === State.INACTIVE || originator === State.PARTIAL
  const noResponder = responder === State.INACTIVE || responder === State.PARTIAL
  if (responder === State.RESET) {
    const refused = originator === State.SYN_SENT || originator === State.SYN_ACK_SENT
    if (refused || (originator === State.RESET && payload === 0)) return 'REJ'
    return noOriginator ? 'RSTRH' : 'RSTR'
  }
  if (originator === State.RESET) return noResponder ? 'RSTOS0' : 'RSTO'
  if (originator === State.CLOSED && responder === State.CLOSED) return 'SF'
  if (originator === State.CLOSED) return noResponder ? 'SH' : 'S2'
  if (responder === State.CLOSED) return noOriginator ? 'SHR' : 'S3'
  if (originator === State.SYN_SENT && responder === State.INACTIVE) return 'S0'
  if (originator === State.ESTABLISHED && responder === State.ESTABLISHED) return 'S1'
  return 'OTH'
}
