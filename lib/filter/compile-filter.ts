import { endianness } from 'node:os'
import { types } from 'node:util'

import { checkFilter, checkGroup, checkInteger, orElse } from '../arguments.js'
import { blame, optionError } from '../errors.js'
import { LinkType } from '../packets/link-type.js'
import { type FilterHandle, native } from './native.js'

/** Options of {@link compileFilter}. All are optional. */
export interface CompileFilterOptions {
  /**
   * What the packets start with: a {@link LinkType}, or another LINKTYPE_ number that libpcap knows. Default
   * `LinkType.ETHERNET`.
   */
  linkType?: number | undefined
  /** What the program returns for a packet that matches: the number of bytes to keep. 1 to 262144, default 262144. */
  snapshotLength?: number | undefined
  /**
   * Where the packets come from.
   *
   * - `'live'`: a capture, or anywhere else.
   * - `'savefile'`: a file, for the program that `openFile`, tcpdump and tshark run on it. On the link types of
   *   loopback devices (0, 108, 109) it accepts the numbers that every system has for IPv6, in the file's byte order;
   *   and `inbound`, `outbound` and `ifindex` are refused on link types whose header does not have these (Ethernet).
   *
   * @defaultValue `'live'`
   */
  source?: 'live' | 'savefile' | undefined
  /**
   * With `source: 'savefile'`: the file's byte order.
   *
   * @defaultValue this machine's own (os.endianness())
   */
  byteOrder?: 'LE' | 'BE' | undefined
}

/** One instruction of classic BPF: struct sock_filter in linux/filter.h, struct bpf_insn in libpcap. */
export interface FilterInstruction {
  /** Operation and addressing mode, 16 bits. */
  readonly code: number
  /** Instructions to skip if a condition holds, 8 bits. */
  readonly jt: number
  /** Instructions to skip if it does not, 8 bits. */
  readonly jf: number
  /** The operand, 32 bits, unsigned. */
  readonly k: number
}

/**
 * How {@link CompiledFilter.format} prints a program: `'assembly'` as `tcpdump -d`, `'c'` as `tcpdump -dd`, `'decimal'`
 * as `tcpdump -ddd`.
 */
export type FilterFormat = 'assembly' | 'c' | 'decimal'

const maxSnapshotLength = 262144
const maxLength = 0xffffffff

/** A compiled filter. Created by {@link compileFilter}; immutable. */
export class CompiledFilter {
  readonly #handle: FilterHandle
  #instructions: readonly FilterInstruction[] | undefined

  /** The expression as it was given. */
  readonly expression: string
  /** What the packets that it is for start with: a LINKTYPE_ number. */
  readonly linkType: number
  /** What the program returns for a packet that matches, in bytes. */
  readonly snapshotLength: number

  /** @internal */
  constructor(handle: FilterHandle, expression: string, linkType: number, snapshotLength: number) {
    this.#handle = handle
    this.expression = expression
    this.linkType = linkType
    this.snapshotLength = snapshotLength
    Object.freeze(this)
  }

  /** The program: 1 to 4096 instructions, such as SO_ATTACH_FILTER takes. */
  get instructions(): readonly FilterInstruction[] {
    this.#instructions ??= decode(native().filterInstructions(this.#handle))
    return this.#instructions
  }

  /**
   * Whether a packet matches. The verdict is the kernel's: a test that reads beyond the end of `bytes` makes the packet
   * not match.
   *
   * Only the bytes are tested. Tests of metadata (`inbound`, `outbound`, `ifindex`) see an incoming packet on an
   * interface with index 0, and `vlan` sees the tags that are in `bytes`.
   *
   * @param bytes The packet, from its link-layer header on, see `linkType`.
   * @param originalLength Its length on the wire in bytes, which `len`, `less` and `greater` test. Default: the length
   *   of `bytes`. Packets of a file may state less than they hold; as in libpcap, that changes nothing but these tests.
   * @throws CaptureError `ERR_OPTION` for a wrong argument.
   */
  matches(bytes: Uint8Array, originalLength?: number): boolean {
    if (!types.isUint8Array(bytes)) throw optionError('bytes', 'a Uint8Array', bytes)
    if (originalLength === undefined) return native().filterMatches(this.#handle, bytes, bytes.length)
    checkInteger(originalLength, 'originalLength', 0, maxLength)
    return native().filterMatches(this.#handle, bytes, originalLength)
  }

  /** The program as `tcpdump -d` prints it, with a newline after each line. */
  get listing(): string {
    return native().filterListing(this.#handle)
  }

  /**
   * The program as text, with a newline after each line.
   *
   * @param format Default `'assembly'`, the same as `listing`.
   * @throws CaptureError `ERR_OPTION` for another format.
   */
  format(format: FilterFormat = 'assembly'): string {
    switch (format) {
      case 'assembly':
        return this.listing
      case 'c':
        return this.instructions
          .map(
            ({ code, jt, jf, k }) =>
              `{ 0x${code.toString(16)}, ${jt}, ${jf}, 0x${k.toString(16).padStart(8, '0')} },\n`,
          )
          .join('')
      case 'decimal':
        return `${this.instructions.length}\n${this.instructions
          .map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}\n`)
          .join('')}`
      default:
        throw optionError('format', `'assembly', 'c' or 'decimal'`, format)
    }
  }

  /** The same as `listing`. */
  toString(): string {
    return this.listing
  }
}

/**
 * Compiles a filter expression with libpcap's compiler and optimiser: to check an expression before a capture, to run
 * it on packets in memory ({@link CompiledFilter.matches}), or to look at the program.
 *
 * Compiling runs off the event loop. It takes microseconds for an everyday expression, but libpcap needs 15 s and more
 * for a list of 600 hosts or 400 ports. It cannot be interrupted, so that a worker thread that is terminated, and a
 * process that exits, wait for its end. Names in an expression are looked up in the DNS.
 *
 * The program reads only the bytes of a packet. A capture compiles the same expression such that `vlan` also matches
 * the tags that the kernel keeps beside the packet.
 *
 * @param expression As in pcap-filter(7). Empty or white space: every packet matches. The netmask is not known, so that
 *   `ip broadcast` is refused.
 * @throws CaptureError (the promise rejects) `ERR_FILTER_SYNTAX`, with libpcap's message (pcap_compile(3PCAP)), if
 *   libpcap refuses the expression, also because no packet of this link type could match, and for `protochain`, which
 *   needs a loop that the kernel does not run; `ERR_FILTER_TOO_LARGE` if the program has more than 4096 instructions;
 *   `ERR_OPTION` for a wrong argument, and if libpcap does not know the link type; `ERR_NATIVE_UNAVAILABLE`.
 */
export async function compileFilter(expression: string, options?: CompileFilterOptions): Promise<CompiledFilter> {
  if (typeof expression !== 'string') throw optionError('expression', 'a string', expression)
  checkFilter(expression, 'expression')
  const given = checkGroup(options, 'options', ['linkType', 'snapshotLength', 'source', 'byteOrder'])
  const linkType = checkInteger(orElse(given.linkType, LinkType.ETHERNET), 'linkType', 0, 0xffff)
  const length = orElse(given.snapshotLength, maxSnapshotLength)
  const snapshotLength = checkInteger(length, 'snapshotLength', 1, maxSnapshotLength)
  const { source = 'live', byteOrder } = given
  if (source !== 'live' && source !== 'savefile') throw optionError('source', "'live' or 'savefile'", source)
  if (byteOrder !== undefined && byteOrder !== 'LE' && byteOrder !== 'BE') {
    throw optionError('byteOrder', "'LE' or 'BE'", byteOrder)
  }
  if (byteOrder !== undefined && source === 'live') {
    throw optionError('byteOrder', "left out without source: 'savefile'", byteOrder)
  }
  const order = source === 'live' ? 0 : (byteOrder ?? endianness()) === 'LE' ? 1 : 2
  const handle = await native()
    .compileFilter(expression, linkType, snapshotLength, order)
    .catch((error) => {
      // The snapshot length was checked, so ERR_OPTION means that libpcap does not know the link type.
      throw blame(error, error.code === 'ERR_OPTION' ? 'linkType' : 'expression')
    })
  return new CompiledFilter(handle, expression, linkType, snapshotLength)
}

function decode(program: ArrayBuffer): readonly FilterInstruction[] {
  // struct sock_filter is in the machine's byte order, as typed arrays are.
  const words = new Uint16Array(program)
  const bytes = new Uint8Array(program)
  const operands = new Uint32Array(program)
  const instructions: FilterInstruction[] = []
  for (let i = 0; i < program.byteLength / 8; i++) {
    instructions.push(
      Object.freeze({
        code: words[i * 4] as number,
        jt: bytes[i * 8 + 2] as number,
        jf: bytes[i * 8 + 3] as number,
        k: operands[i * 2 + 1] as number,
      }),
    )
  }
  return Object.freeze(instructions)
}
