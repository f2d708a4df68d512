// DNS messages, decoded by the package dns-packet.
import { type Answer, type DecodedPacket, decode } from 'dns-packet'
import type { TcpStream } from 'ringtap'
import { flowText, printable } from './format.js'

/**
 * Takes the messages out of a TCP connection, where each follows its length in two bytes.
 *
 * @param take called with sender and receiver, and the message
 */
export function readMessages(stream: TcpStream, take: (ends: string, message: Uint8Array) => void): void {
  const { sourceIp, sourcePort, destinationIp, destinationPort } = stream
  const back = {
    sourceIp: destinationIp,
    sourcePort: destinationPort,
    destinationIp: sourceIp,
    destinationPort: sourcePort,
  }
  const pending = { originator: Buffer.alloc(0), responder: Buffer.alloc(0) }
  // Where the next message begins is not known then.
  stream.onGap = () => stream.ignore()
  stream.onData = (data, end) => {
    let bytes = Buffer.concat([pending[end], data])
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE()) {
      const next = 2 + bytes.readUInt16BE()
      take(flowText({ ...(end === 'originator' ? stream : back), protocol: 6 }), bytes.subarray(2, next))
      bytes = bytes.subarray(next)
    }
    pending[end] = bytes
  }
}

/** `A? example.org`, or `A example.org: NOERROR, 192.0.2.7`; answers that are more than a name or an address by their type. */
export function dnsText(message: Uint8Array): string {
  try {
    const { type, rcode, flag_tc: cut, questions = [], answers = [] } = decode(Buffer.from(message)) as Decoded
    const isQuery = type === 'query'
    const asked = questions.map((one) => `${one.type}${isQuery ? '?' : ''} ${one.name}`).join(', ')
    return printable(
      isQuery ? asked : `${asked}: ${[rcode, ...answers.map(answerText), ...(cut ? ['truncated'] : [])].join(', ')}`,
    )
  } catch {
    return `malformed, ${message.length} bytes`
  }
}

type Decoded = DecodedPacket & { rcode: string }

function answerText(answer: Answer): string {
  return 'data' in answer && typeof answer.data === 'string' ? answer.data : answer.type
}
