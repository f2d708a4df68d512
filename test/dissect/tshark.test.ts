import { Dissector } from 'ringtap'
import t from 'tap'
import { compareFields } from '../helpers/compare-fields.js'
import { type CorpusPacket, corpus } from '../helpers/corpus.js'
import { tsharkFields } from '../helpers/tshark-fields.js'

const byLinkType = new Map<number, CorpusPacket[]>()
for (const packet of corpus()) {
  const known = byLinkType.get(packet.linkType)
  if (known) known.push(packet)
  else byLinkType.set(packet.linkType, [packet])
}

/** Where the two differ by design. */
const explained: [packet: string, field: string, reason: string][] = [
  ['vxlan in vlan', 'vlanId', 'the fields of the link layer are those of the frame in the tunnel, which has no tag'],
  ['pseudowire', 'mplsLabel', 'likewise: the labels are those in front of the frame in the tunnel'],
  ['pseudowire', 'tunnelId', 'the label next to the frame names the tunnel; tshark has no field for that'],
]

function isExplained(packet: string, field: string): boolean {
  return explained.some(([prefix, name]) => packet.startsWith(prefix) && name === field)
}

t.test('every field is as tshark has it', async (t) => {
  const dissector = new Dissector({ tunnels: true, tcpOptions: true })
  for (const [linkType, packets] of byLinkType) {
    const witness = tsharkFields(packets, linkType)
    t.equal(witness.length, packets.length)
    packets.forEach(({ name, bytes }, i) => {
      dissector.dissect(bytes, linkType)
      for (const { name: field, tshark, ringtap } of compareFields(dissector, witness[i]!)) {
        if (isExplained(name, field)) t.not(ringtap, tshark, `${name}: ${field} is explained, and differs`)
        else t.equal(ringtap, tshark, `${name}: ${field}`)
      }
    })
  }
})

t.test('cut at every byte: what is whole is read, and nothing else', async (t) => {
  const whole = new Dissector({ tunnels: true, tcpOptions: true })
  const cut = new Dissector({ tunnels: true, tcpOptions: true })
  for (const [linkType, packets] of byLinkType) {
    const pieces = packets.flatMap(({ name, bytes }) =>
      Array.from(bytes.keys()).map((length) => ({ name, whole: bytes, bytes: bytes.subarray(0, length) })),
    )
    const witness = tsharkFields(
      pieces.map(({ bytes, whole }) => ({ bytes, originalLength: whole.length })),
      linkType,
    )
    let compared = 0
    pieces.forEach(({ name, bytes, whole: all }, i) => {
      const label = `${name}, ${bytes.length} of ${all.length} bytes`
      whole.dissect(all, linkType)
      cut.dissect(bytes, linkType, all.length)
      if (cut.malformed !== whole.malformed) t.equal(cut.malformed, whole.malformed, `${label}: malformed`)
      const missing = whole.payloadOffset + whole.payloadLength > bytes.length ? 1 : 0
      if (cut.truncated !== missing) t.equal(cut.truncated, missing, `${label}: truncated`)
      if ((cut.layers & ~whole.layers) !== 0) t.fail(`${label}: layers that the packet does not have`)
      if (cut.layers === whole.layers && cut.payloadOffset === whole.payloadOffset) {
        if (cut.payloadLength !== whole.payloadLength) t.fail(`${label}: payloadLength ${cut.payloadLength}`)
      }
      const upTo = Math.min(whole.payloadOffset + whole.payloadLength, bytes.length)
      const piece = all.subarray(Math.min(cut.payloadOffset, upTo), upTo)
      if (!piece.equals(cut.payload)) t.fail(`${label}: payload`)
      // Fields of which tshark has one more: those of a header that is cut, whose first bytes it shows.
      for (const { name: field, tshark, ringtap } of compareFields(cut, witness[i]!)) {
        if (ringtap === undefined || tshark === ringtap || isExplained(name, field)) continue
        // tshark looks for a source route among the options before it shows the destination.
        if (field === 'destinationIp' && tshark === undefined && name.includes('options')) continue
        // tshark shows the ports of SCTP when it has the whole header.
        if (field.endsWith('Port') && tshark === undefined && name.includes('sctp')) continue
        // The same for ICMP and its first eight bytes.
        if (/^icmp(Type|Code)$/.test(field) && tshark === undefined && bytes.length < whole.payloadOffset) continue
        // A header is read when it is whole: the number in a VXLAN header is there one byte before that.
        if (field === 'tunnelId' && cut.tunnelDepth < whole.tunnelDepth) continue
        // An extension header that is cut: the protocol is its own number, where tshark shows what it begins with.
        if (field === 'protocol' && ['0', '43', '44', '51', '60'].includes(ringtap)) continue
        t.equal(ringtap, tshark, `${label}: ${field}`)
      }
      compared++
    })
    t.equal(
      compared,
      packets.reduce((sum, { bytes }) => sum + bytes.length, 0),
      `link type ${linkType}`,
    )
  }
})
