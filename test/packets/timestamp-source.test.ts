/** Whose clock a packet's timestamp is from, by the status of its record (linux/if_packet.h). */
import { Packet } from 'ringtap'
import t from 'tap'

// Not exported: loaded from beside the package's entry point.
const load = (file: string) => import(new URL(file, import.meta.resolve('ringtap')).href)
const { Record } = (await load('./packets/packet-record.js')) as { Record: { STATUS: number } }

const TP_STATUS_USER = 1
const TP_STATUS_CSUM_VALID = 1 << 7
const TP_STATUS_TS_SOFTWARE = 1 << 29
const TP_STATUS_TS_SYS_HARDWARE = 1 << 30
const TP_STATUS_TS_RAW_HARDWARE = 1 << 31

/** A packet whose record has this status, as a ring's has: `Packet.from()` sets bits of its own. */
function packetWith(status: number): Packet {
  const packet = Packet.from(new Uint8Array(60), { timestamp: 1_000_000_007n })
  const { u32 } = (packet as unknown as { _memory: { u32: Uint32Array } })._memory
  u32[Record.STATUS >>> 2] = status
  return packet
}

const cases: [string, number, 'system' | 'hardware' | undefined][] = [
  ['stamped by a card', TP_STATUS_USER | TP_STATUS_TS_RAW_HARDWARE, 'hardware'],
  ['the same, with a verified checksum', TP_STATUS_USER | TP_STATUS_CSUM_VALID | TP_STATUS_TS_RAW_HARDWARE, 'hardware'],
  ['by a card, converted to the system clock', TP_STATUS_USER | TP_STATUS_TS_SYS_HARDWARE, 'hardware'],
  ['stamped as the kernel received it', TP_STATUS_USER | TP_STATUS_TS_SOFTWARE, 'system'],
  ['stamped as it came into the ring', TP_STATUS_USER, 'system'],
  ["libpcap's", TP_STATUS_TS_SOFTWARE, 'system'],
  ['of a source that does not report it', TP_STATUS_CSUM_VALID, undefined],
]

for (const [name, status, source] of cases) {
  t.test(name, async (t) => {
    const packet = packetWith(status)
    t.equal(packet.timestampSource, source)
    t.equal(packet.copy().timestampSource, source)
    const json = JSON.parse(JSON.stringify(packet))
    t.equal(json.timestampSource, source)
    t.equal(json.timestamp, '1000000007')
  })
}

t.test('a packet of given bytes has none', async (t) => {
  t.equal(Packet.from(new Uint8Array(60)).timestampSource, undefined)
})
