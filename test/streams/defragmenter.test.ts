import { randomBytes, randomInt } from 'node:crypto'
import { CaptureError, Defragmenter, type DefragmenterOptions, frame, hexdump, LinkType, Packet } from 'ringtap'
import { test } from 'tap'
import { hex } from '../helpers/hex.js'

const ethernet = { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' }
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2', identification: 0x1234 }
const ipv6 = { source: '2001:db8::1', destination: '2001:db8::2' }
const udp = { sourcePort: 1000, destinationPort: 2000 }
const start = 1_700_000_000_000_000_000n

interface Part {
  offset: number
  bytes: Uint8Array
  more: boolean
}

/** Divides what follows the IP header. */
function divide(data: Uint8Array, size: number): Part[] {
  const parts: Part[] = []
  for (let offset = 0; offset < data.length; offset += size) {
    parts.push({ offset, bytes: data.subarray(offset, offset + size), more: offset + size < data.length })
  }
  return parts
}

const fragment4 = ({ offset, bytes, more }: Part, fields: object = {}) =>
  frame({
    ethernet,
    ipv4: { ...ipv4, protocol: 17, fragmentOffset: offset, moreFragments: more, ...fields },
    payload: bytes,
  })

function fragment6({ offset, bytes, more }: Part, before: { type: number; content: Uint8Array }[] = []): Uint8Array {
  const content = new Uint8Array(6)
  new DataView(content.buffer).setUint16(0, offset | (more ? 1 : 0))
  content.set([0, 0, 0, 7], 2)
  const extensions = [...before, { type: 44, content }]
  return frame({ ethernet, ipv6: { ...ipv6, extensions, nextHeader: 17 }, payload: bytes })
}

const packet = (bytes: Uint8Array, milliseconds = 0) =>
  Packet.from(bytes, { timestamp: start + BigInt(milliseconds) * 1_000_000n, interface: 'eth0', direction: 'in' })

const shuffled = <T>(list: readonly T[]): T[] => {
  const copy = [...list]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = randomInt(i + 1)
    ;[copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
  }
  return copy
}

/** What comes out of packets that go in. */
function through(bytes: readonly Uint8Array[], options?: DefragmenterOptions) {
  const defragmenter = new Defragmenter(options)
  const out = bytes.flatMap((one) => {
    const whole = defragmenter.add(packet(one))
    return whole ? [whole] : []
  })
  return { out, stats: defragmenter.stats() }
}

test('fragments in any order make the packet that was divided, byte for byte', (t) => {
  for (const size of [8, 24, 1480]) {
    const payload = randomBytes(2000)
    const whole4 = frame({ ethernet, ipv4, udp, payload })
    const { out, stats } = through(shuffled(divide(whole4.subarray(34), size)).map((part) => fragment4(part)))
    t.same(
      out.map(({ data }) => hex(data)),
      [hex(whole4)],
    )
    t.match(out[0], { direction: 'in', interface: { name: 'eth0' }, linkType: LinkType.ETHERNET })
    t.match(stats, { packets: 1, fragments: Math.ceil(2008 / size), memory: 0 })

    const hopByHop = [{ type: 0, content: Uint8Array.of(1, 4, 0, 0, 0, 0) }]
    for (const before of [[], hopByHop]) {
      const whole6 = frame({ ethernet, ipv6: { ...ipv6, extensions: before }, udp, payload })
      const data = whole6.subarray(54 + 8 * before.length)
      const six = through(shuffled(divide(data, size)).map((part) => fragment6(part, before)))
      t.same(
        six.out.map(({ data: bytes }) => hex(bytes)),
        [hex(whole6)],
      )
    }
  }
  t.end()
})

test('packets that are no fragments pass unchanged, IPv6 with a fragment header of its own included', (t) => {
  const atomic = fragment6({ offset: 0, bytes: new Uint8Array(16), more: false })
  for (const bytes of [frame({ ethernet, ipv4, udp }), frame({ ethernet }), new Uint8Array(5), atomic]) {
    const one = packet(bytes)
    const defragmenter = new Defragmenter()
    t.equal(defragmenter.add(one), one)
    t.equal(defragmenter.stats().fragments, 0)
  }
  t.end()
})

test('a fragment is one although another fragment header that says nothing follows', (t) => {
  const content = new Uint8Array(6)
  const [first] = divide(randomBytes(64), 32) as [Part]
  const fragment = Uint8Array.from([0, 1, 0, 0, 0, 7])
  const extensions = [
    { type: 44, content: fragment },
    { type: 44, content },
  ]
  const bytes = frame({ ethernet, ipv6: { ...ipv6, extensions, nextHeader: 17 }, payload: first.bytes })
  const defragmenter = new Defragmenter()
  t.equal(defragmenter.add(packet(bytes)), undefined)
  t.equal(defragmenter.stats().fragments, 1)
  t.end()
})

test('packets between the same hosts are told apart by identification, protocol and VLAN', (t) => {
  const data = frame({ ipv4, udp, payload: randomBytes(100) }).subarray(20)
  const variants = [{}, { identification: 9 }, { protocol: 6 }, { source: '10.0.0.3' }]
  const bytes = variants.flatMap((fields) => divide(data, 56).map((part) => fragment4(part, fields)))
  t.equal(through(shuffled(bytes)).out.length, 4)
  t.end()
})

test('fragments that overlap are never put together', (t) => {
  const parts = divide(randomBytes(64), 16)
  const over: Part = { offset: 8, bytes: randomBytes(16), more: true }
  for (const [name, make] of [
    ['IPv4', fragment4],
    ['IPv6', fragment6],
  ] as const) {
    for (let round = 0; round < 20; round++) {
      const [last, ...others] = shuffled(parts) as [Part, ...Part[]]
      const { out, stats } = through([...shuffled([...others, over]), last].map((part) => make(part)))
      t.equal(out.length, 0, name)
      t.match(stats, { overlapping: 1, packets: 0 })
    }
  }
  t.end()
})

test('a fragment that comes twice does no harm', (t) => {
  const whole = frame({ ethernet, ipv4, udp, payload: randomBytes(56) })
  const parts = divide(whole.subarray(34), 16)
  const { out, stats } = through(parts.flatMap((part) => [fragment4(part), fragment4(part)]).slice(0, -1))
  t.same(
    out.map(({ data }) => hex(data)),
    [hex(whole)],
  )
  t.match(stats, { duplicates: 3, packets: 1 })
  // The same place with other bytes is no duplicate.
  const [first] = parts as [Part]
  t.match(through([fragment4(first), fragment4({ ...first, bytes: randomBytes(16) })]).stats, { overlapping: 1 })
  t.end()
})

test('impossible fragments give the packet up, and what comes later of it is dropped', (t) => {
  const good = divide(randomBytes(64), 16)
  const bad: [string, Uint8Array][] = [
    ['a length that is no multiple of 8', fragment4({ offset: 0, bytes: new Uint8Array(15), more: true })],
    ['beyond 65535 bytes', fragment4({ offset: 65528, bytes: new Uint8Array(16), more: false })],
    ['no data', fragment4({ offset: 8, bytes: new Uint8Array(0), more: true })],
    ['two ends', fragment4({ offset: 128, bytes: new Uint8Array(8), more: false })],
    ['cut at the snapshot length', fragment4(good[0] as Part).subarray(0, 40)],
  ]
  for (const [what, bytes] of bad) {
    const { out, stats } = through([...good.slice(1).map((part) => fragment4(part)), bytes, fragment4(good[0] as Part)])
    t.equal(out.length, 0, what)
    t.match(stats, { malformed: 1, packets: 0 }, what)
  }
  t.end()
})

test('time is the time of the packets, and packets that stay incomplete are given up', (t) => {
  const [first, second] = divide(randomBytes(32), 16) as [Part, Part]
  const defragmenter = new Defragmenter({ timeout: 1000 })
  t.equal(defragmenter.add(packet(fragment4(first), 0)), undefined)
  t.equal(defragmenter.add(packet(fragment4(second), 1500)), undefined)
  t.match(defragmenter.stats(), { timedOut: 1, packets: 0 })
  t.ok(defragmenter.add(packet(fragment4(first), 2000)))
  t.match(defragmenter.stats(), { timedOut: 1, packets: 1, memory: 0 })
  t.end()
})

test('memory is bounded, and what had to give way is counted', (t) => {
  const defragmenter = new Defragmenter({ maxMemory: 65536 })
  for (let identification = 0; identification < 1000; identification++) {
    defragmenter.add(packet(fragment4({ offset: 0, bytes: new Uint8Array(1000), more: true }, { identification })))
    if (defragmenter.stats().memory > 65536) t.fail('more than allowed')
  }
  const { evicted, fragments } = defragmenter.stats()
  t.equal(fragments, 1000)
  t.ok(evicted > 900 && evicted < 1000, `${evicted}`)
  t.end()
})

test('random fragments never throw, and never make a packet that none of them was', (t) => {
  const defragmenter = new Defragmenter({ maxMemory: 1 << 20 })
  for (let i = 0; i < 20_000; i++) {
    const bytes = fragment4(
      { offset: 8 * randomInt(8), bytes: randomBytes(8 * randomInt(4)), more: randomInt(3) > 0 },
      { identification: randomInt(20) },
    )
    for (let k = randomInt(3); k > 0; k--) bytes[14 + randomInt(bytes.length - 14)] = randomInt(256)
    const one = packet(bytes)
    const whole = defragmenter.add(one)
    if (whole && whole !== one && whole.capturedLength > 14 + 65535) t.fail(hexdump(bytes))
  }
  t.ok(defragmenter.stats().fragments > 10_000)
  t.end()
})

test('wrong arguments are typed errors', (t) => {
  for (const options of [{ maxMemory: 5 }, { timeout: 0 }, { time: 5 }, 5]) {
    t.throws(() => new Defragmenter(options as DefragmenterOptions), CaptureError)
  }
  const part = fragment4({ offset: 0, bytes: new Uint8Array(8), more: true })
  for (const wrong of [5, undefined, new Uint8Array(0), part]) {
    const expected = { code: 'ERR_OPTION', option: 'packet' } as const
    t.throws(() => new Defragmenter().add(wrong as unknown as Packet), expected)
  }
  t.end()
})

test('packets are given up where no fragments come', (t) => {
  const [first, second] = divide(randomBytes(32), 16) as [Part, Part]
  const base = Number(start / 1_000_000n)
  const defragmenter = new Defragmenter({ timeout: 1000 })
  defragmenter.add(packet(fragment4(first), 0))
  defragmenter.advance(base + 999)
  t.match(defragmenter.stats(), { timedOut: 0 })
  t.not(defragmenter.stats().memory, 0)
  defragmenter.advance(base + 1000)
  t.match(defragmenter.stats(), { timedOut: 1, memory: 0 })
  t.equal(defragmenter.add(packet(fragment4(second), 1001)), undefined)
  defragmenter.advance(base)
  t.ok(defragmenter.add(packet(fragment4(first), 1002)), 'an earlier time changes nothing')
  for (const wrong of [-1, Number.NaN, 2 ** 60, '5', 5n]) {
    t.throws(() => defragmenter.advance(wrong as number), { code: 'ERR_OPTION', option: 'time' })
  }
  t.end()
})

test('a clock that is set back, or one wrong time, does not stop the timeout', (t) => {
  const defragmenter = new Defragmenter({ timeout: 1000 })
  const first = (identification: number) =>
    fragment4({ offset: 0, bytes: new Uint8Array(8), more: true }, { identification })
  defragmenter.add(packet(first(1), 31_536_000_000))
  defragmenter.add(packet(first(2), 0))
  defragmenter.add(packet(first(3), 500))
  defragmenter.add(packet(first(4), 1200))
  t.match(defragmenter.stats(), { fragments: 4, timedOut: 2 })
  t.end()
})
