import {
  checkBytes,
  checkFilter,
  checkGroup,
  checkInteger,
  checkNetns,
  checkSignal,
  orElse,
  throwIfAborted,
} from '../arguments.js'
import { Capture } from '../capture/capture.js'
import { CaptureError, optionError } from '../errors.js'
import { compileFilter } from '../filter/compile-filter.js'
import type { Packet } from '../packets/packet.js'
import { Injector } from '../send/inject.js'

/** Options of {@link request}. */
export interface RequestOptions {
  /**
   * Which packet is the answer: a pcap-filter(7) expression, or a function that returns true for it. Only packets that the
   * interface receives after the frame was sent are compared.
   */
  match: string | ((packet: Packet) => boolean)
  /** Milliseconds to wait for the answer after the frame was sent. 1 to 3600000, default 1000. */
  timeout?: number | undefined
  /** Path of the interface's network namespace; needs CAP_SYS_ADMIN. Default: the one of this process. */
  netns?: string | undefined
  /** Aborting it ends the wait: the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** What {@link request} resolves to. */
export interface Answer {
  /** The answer: a copy, which stays valid. */
  readonly packet: Packet
  /** Nanoseconds from the frame's leaving to the answer's arrival, both by the kernel's clock. */
  readonly roundTrip: bigint
}

const requestKeys = ['match', 'timeout', 'netns', 'signal'] as const

/**
 * Sends a frame on an interface, and waits for the answer to it. The capture that waits begins before the frame is sent,
 * so that no answer comes too early.
 *
 * ```ts
 * const answer = await request('eth0', echoRequest, { match: 'icmp[icmptype] = icmp-echoreply', timeout: 500 })
 * console.log(answer ? `${answer.roundTrip} ns` : 'no answer')
 * ```
 *
 * @param interfaceName The name of the interface.
 * @param frame The frame, from the link-layer header on. It is copied at the call.
 * @returns The first packet that matches; `undefined` if none came in time.
 * @throws CaptureError (the promise rejects) `ERR_OPTION`, `ERR_FILTER_SYNTAX`, `ERR_NO_INTERFACE`, `ERR_PERMISSION`,
 *   `ERR_SYSTEM`; also `ERR_SYSTEM` if the kernel refused the frame. What `match` throws, and the reason of an aborted
 *   signal, are thrown as they are.
 */
export async function request(
  interfaceName: string,
  frame: Uint8Array,
  options: RequestOptions,
): Promise<Answer | undefined> {
  const given = checkGroup<RequestOptions>(options, 'options', requestKeys)
  const timeout = checkInteger(orElse(given.timeout, 1000), 'timeout', 1, 3_600_000, 'milliseconds')
  const netns = checkNetns(given.netns, 'netns')
  const { signal, match } = given
  checkSignal(signal, 'signal')
  if (typeof match !== 'function' && (match === undefined || checkFilter(match, 'match') === undefined)) {
    throw optionError('match', 'a pcap-filter expression or a function', match)
  }
  const bytes = Uint8Array.from(checkBytes(frame, 'frame'))
  throwIfAborted(signal)

  const injector = await Injector.open(interfaceName, { netns })
  let capture: Capture | undefined
  try {
    const { linkType, name } = injector.interface
    const matches = await matcher(match, linkType)
    capture = await Capture.open({
      interfaces: name,
      netns,
      signal,
      ring: { memory: ringMemory },
      // Answers are looked for as soon as they have arrived.
      chunk: { maxDelay: 1 },
    })
    return await exchange(capture, injector, bytes, matches, timeout)
  } finally {
    await Promise.all([capture?.close(), injector.close()])
  }
}

/** Room for what else the interface receives while the program waits for its turn. */
const ringMemory = 4 << 20

async function matcher(
  match: RequestOptions['match'],
  linkType: number | undefined,
): Promise<(packet: Packet) => boolean> {
  if (typeof match === 'function') return match
  const filter = await compileFilter(match, { linkType })
  return (packet) => filter.matches(packet.data, packet.originalLength)
}

async function exchange(
  capture: Capture,
  injector: Injector,
  frame: Uint8Array,
  matches: (packet: Packet) => boolean,
  timeout: number,
): Promise<Answer | undefined> {
  let ended = false
  let timer: NodeJS.Timeout | undefined
  const send = async () => {
    const { refusals } = await injector.send(frame)
    const [refusal] = refusals
    if (refusal) {
      const { name } = injector.interface
      throw new CaptureError('ERR_SYSTEM', `the frame was refused on ${name}: ${refusal.cause}`, {
        interface: name,
        errno: refusal.errno,
      })
    }
    if (!ended) timer = setTimeout(() => void capture.close(), timeout)
  }
  const looking = look(capture, frame, matches)
  try {
    const [answer] = await Promise.all([looking, send()])
    return answer
  } finally {
    ended = true
    clearTimeout(timer)
    await capture.close()
    await looking.catch(() => {})
  }
}

/** The first packet that matches behind the frame itself. Ends when the capture is closed. */
async function look(
  capture: Capture,
  frame: Uint8Array,
  matches: (packet: Packet) => boolean,
): Promise<Answer | undefined> {
  const isFrame = comparison(frame)
  let left: bigint | undefined
  for await (const chunk of capture) {
    for (const packet of chunk) {
      if (left === undefined) {
        if (isFrame(packet)) left = packet.timestamp
      } else if (packet.direction !== 'out' && matches(packet)) {
        return { packet: packet.copy(), roundTrip: packet.timestamp - left }
      }
    }
  }
  return undefined
}

/** Whether a captured packet is the frame; the kernel may have taken its VLAN tag out. On loopback it comes in. */
function comparison(frame: Uint8Array): (packet: Packet) => boolean {
  const whole = Buffer.from(frame)
  const untagged = Buffer.concat([whole.subarray(0, 12), whole.subarray(16)])
  return ({ vlan, data }) => (vlan && whole.length >= 16 ? untagged : whole).equals(data)
}
