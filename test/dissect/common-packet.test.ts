// Packets of the most common kind are dissected by one function, all others by one function per header. A packet with a tag
// that was removed from its bytes is one of the others: all fields but the tag's must be the same with it and without it.
import { Dissector, type DissectorFields, Layer, Packet } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import { derived } from '../helpers/derived.js'
import { random } from '../helpers/random.js'

/** Packets in all; RINGTAP_DISSECT_PACKETS sets another number. */
const count = Number(process.env.RINGTAP_DISSECT_PACKETS ?? 25_000)
const seed = Number(process.env.RINGTAP_DISSECT_SEED ?? Date.now() % 0x7fffffff)
const vlan = { id: 1, priority: 0, dropEligible: false, protocol: 0x8100 }

const fields = Object.keys(new Dissector() as DissectorFields).filter(
  (name) => !name.startsWith('_') && !['layers', 'vlanCount', 'vlanId', 'vlanPriority'].includes(name),
) as (keyof DissectorFields)[]

/** The layers of a packet that was dissected by the one function; 0 if by the others. */
const commonLayers = (d: Dissector) => (d as unknown as { _common: number })._common

const withoutTag = (text: string) =>
  text.replace(/"Vlan",|,?"Vlan"/, '').replace('"vlan":{"id":1,"priority":0,"count":1},', '')

for (const options of [{}, { tunnels: true, tcpOptions: true }]) {
  t.test(`${count} packets with ${JSON.stringify(options)}, RINGTAP_DISSECT_SEED=${seed}`, async (t) => {
    const next = random(seed)
    const ethernet = corpus().filter(({ linkType }) => linkType === 1)
    const plain = ethernet.filter(({ name }) => /^ipv[46] (tcp|udp)/.test(name))
    const one = new Dissector(options)
    const other = new Dissector(options)
    const kinds = new Map<number, number>()
    for (let i = 0; i < count; i++) {
      const from = next(4) === 0 ? ethernet : plain
      let bytes = Buffer.from(from[next(from.length)]!.bytes)
      for (let j = next(3); j > 0; j--) bytes[next(Math.min(bytes.length, 80))] = next(256)
      if (next(4) === 0) bytes = bytes.subarray(0, next(bytes.length + 1))
      const originalLength = bytes.length + (next(4) === 0 ? next(100) : 0)
      one.dissect(Packet.from(bytes, { originalLength }))
      other.dissect(Packet.from(bytes, { originalLength, vlan }))
      kinds.set(commonLayers(one), (kinds.get(commonLayers(one)) ?? 0) + 1)
      // A further tag would be the first one in the one packet and the second in the other.
      if (one.vlanCount > 0) continue
      const different = fields.filter((name) => one[name] !== other[name])
      const [texts, otherTexts] = [derived(one), derived(other)].map(withoutTag)
      const layers = one.layers | Layer.Vlan
      if (different.length === 0 && layers === other.layers && texts === otherTexts && commonLayers(other) === 0)
        continue
      t.fail(`packet ${i}: ${different.join(', ') || `${texts} and ${otherTexts}`}`, {
        bytes: bytes.toString('hex'),
        originalLength,
      })
      return
    }
    const { Ethernet, IPv4, IPv6, Tcp, Udp } = Layer
    const common = [IPv4 | Tcp, IPv4 | Udp, IPv6 | Tcp, IPv6 | Udp].map((layers) => Ethernet | layers)
    t.same(new Set(kinds.keys()), new Set([0, ...common]), 'every kind has occurred')
  })
}
