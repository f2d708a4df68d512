import { Dissector, type Flow, FlowTable, Packet } from 'ringtap'
import t from 'tap'
import { corpus } from '../helpers/corpus.js'
import * as make from '../helpers/layers.js'
import { tsharkFields } from '../helpers/tshark-fields.js'

/** Pads the groups that `::` stands for. */
function whole(address: string): string {
  const [left = '', right = ''] = address.split('::')
  if (!address.includes('::')) return address
  const head = left.split(':')
  const tail = right.split(':')
  return [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail].join(':')
}

type Baseline = [
  protocol: number,
  from: string,
  to: string,
  first: number,
  second: number,
  seed0: string,
  seed1: string,
]

/** The baselines that the specification publishes, without and with seed 1; first and second: ports, or type and code. */
const baselines: Baseline[] = [
  [
    58,
    'fe80::200:86ff:fe05:80da',
    'fe80::260:97ff:fe07:69ea',
    135,
    0,
    'dGHyGvjMfljg6Bppwm3bg0LO8TY=',
    'kHa1FhMYIT6Ym2Vm2AOtoOARDzY=',
  ],
  [
    58,
    'fe80::260:97ff:fe07:69ea',
    'fe80::200:86ff:fe05:80da',
    136,
    0,
    'dGHyGvjMfljg6Bppwm3bg0LO8TY=',
    'kHa1FhMYIT6Ym2Vm2AOtoOARDzY=',
  ],
  [
    58,
    'fe80::260:97ff:fe07:69ea',
    'fe80::200:86ff:fe05:80da',
    135,
    0,
    'zavyT/cezQr1fmImYCwYnMXbgck=',
    '2hSqmsDZ2kdcY9kbiUzOEBic0iM=',
  ],
  [
    58,
    '3ffe:501:1800:2345::2',
    '3ffe:507:0:1:200:86ff:fe05:80da',
    3,
    0,
    '2ObVBgIn28oZvibYZhZMBgh7WdQ=',
    'lVEtCZpYu84Xqaa++3lXFyuu2n4=',
  ],
  [
    58,
    '3ffe:501:410:0:2c0:dfff:fe47:33e',
    '3ffe:507:0:1:200:86ff:fe05:80da',
    1,
    4,
    'hLZd0XGWojozrvxqE0dWB1iM6R0=',
    'W8MHwXpWzpoSTD+cGcaJr4u0ys8=',
  ],
  [
    58,
    '3ffe:507:0:1:200:86ff:fe05:80da',
    '3ffe:501:0:1001::2',
    128,
    0,
    '+TW+HtLHvV1xnGhV1lv7XoJrqQg=',
    'GfZxjAkDk2MkegpBYHV6tadtFXQ=',
  ],
  [
    58,
    '3ffe:501:0:1001::2',
    '3ffe:507:0:1:200:86ff:fe05:80da',
    129,
    0,
    '+TW+HtLHvV1xnGhV1lv7XoJrqQg=',
    'GfZxjAkDk2MkegpBYHV6tadtFXQ=',
  ],
  [58, 'fe80::200:86ff:fe05:80da', 'ff02::2', 133, 0, 'hO+sN4H+MG5MY/8hIrXPqc4ZQz0=', 'L7Ka0ZMYu+J3bL4ulW2PrqyXNo8='],
  [58, 'fe80::260:97ff:fe07:69ea', 'ff02::1', 134, 0, 'pkvHqCL88/tg1k4cPigmZXUtL00=', 'K/ee5UCqAMAQXDorP5nSa2CGLjc='],
  [1, '192.168.0.89', '192.168.0.1', 8, 0, 'X0snYXpgwiv9TZtqg64sgzUn6Dk=', '03g6IloqVBdcZlPyX8r0hgoE7kA='],
  [1, '192.168.0.1', '192.168.0.89', 0, 0, 'X0snYXpgwiv9TZtqg64sgzUn6Dk=', '03g6IloqVBdcZlPyX8r0hgoE7kA='],
  [1, '10.0.0.1', '10.0.0.2', 11, 0, 'YHxtAirCG//0OzkcVAukqKQN9xM=', 'XjUibYHaafLQ3pxQeiMI8g25q20='],
  [
    6,
    '2001:470:e5bf:dead:4957:2174:e82c:4887',
    '2607:f8b0:400c:c03::1a',
    63943,
    25,
    '/qFaeAR+gFe1KYjMzVDsMv+wgU4=',
    'eJYTW6AOzFLlSUoESovMjnu7rMw=',
  ],
  [
    6,
    '2607:f8b0:400c:c03::1a',
    '2001:470:e5bf:dead:4957:2174:e82c:4887',
    25,
    63943,
    '/qFaeAR+gFe1KYjMzVDsMv+wgU4=',
    'eJYTW6AOzFLlSUoESovMjnu7rMw=',
  ],
  [132, '192.168.170.8', '192.168.170.56', 7, 7, 'MP2EtRCAUIZvTw6MxJHLV7N7JDs=', '5w3ZRjeKBzqT3zsaEECDGjUbYeg='],
  [132, '192.168.170.56', '192.168.170.8', 7, 7, 'MP2EtRCAUIZvTw6MxJHLV7N7JDs=', '5w3ZRjeKBzqT3zsaEECDGjUbYeg='],
  [6, '128.232.110.120', '66.35.250.204', 34855, 80, 'LQU9qZlK+B5F3KDmev6m5PMibrg=', '3V71V58M3Ksw/yuFALMcW0LAHvc='],
  [6, '66.35.250.204', '128.232.110.120', 80, 34855, 'LQU9qZlK+B5F3KDmev6m5PMibrg=', '3V71V58M3Ksw/yuFALMcW0LAHvc='],
  [17, '192.168.1.52', '8.8.8.8', 54585, 53, 'd/FP5EW3wiY1vCndhwleRRKHowQ=', 'Q9We8WO3piVF8yEQBNJF4uiSVrI='],
  [17, '8.8.8.8', '192.168.1.52', 53, 54585, 'd/FP5EW3wiY1vCndhwleRRKHowQ=', 'Q9We8WO3piVF8yEQBNJF4uiSVrI='],
  [46, '10.1.12.1', '10.1.12.2', 0, 0, 'KHlLkgoJW7ifUTyTSgyVfkFHzKw=', 'rYir8gphR31noO9iDRQmF/BteEI='],
  [46, '10.1.12.2', '10.1.12.1', 0, 0, 'KHlLkgoJW7ifUTyTSgyVfkFHzKw=', 'rYir8gphR31noO9iDRQmF/BteEI='],
]

/** The flow of a packet. */
function flowOf(bytes: Uint8Array): Flow | undefined {
  const table = new FlowTable()
  table.add(Packet.from(bytes, { linkType: 101 }))
  return table.top(1)[0]
}

function packet([protocol, from, to, first, second]: Baseline): Buffer {
  const upper =
    protocol === 6
      ? make.tcp(make.u8(), { from: first, to: second })
      : protocol === 17
        ? make.udp(make.u8(), first, second)
        : protocol === 132
          ? make.sctp(make.u8(), first, second)
          : protocol === 46
            ? Buffer.alloc(8, 1)
            : make.icmp(first, second, Buffer.alloc(4), Buffer.alloc(20))
  return from.includes(':')
    ? make.ipv6(upper, { next: protocol, from: whole(from), to: whole(to) })
    : make.ipv4(upper, { protocol, from, to })
}

t.test('the baselines of the specification', async (t) => {
  const d = new Dissector()
  for (const baseline of baselines) {
    d.dissect(packet(baseline), 101)
    t.equal(d.communityId(), `1:${baseline[5]}`, baseline.slice(0, 5).join(' '))
    t.equal(d.communityId(1), `1:${baseline[6]}`)
    const flow = flowOf(packet(baseline))
    t.equal(flow?.communityId(), `1:${baseline[5]}`, 'of the flow')
    t.equal(flow?.communityId(1), `1:${baseline[6]}`)
    t.equal(flow?.toJSON().communityId, flow?.communityId())
    t.equal(flow?.toZeek().community_id, flow?.communityId())
    t.equal(flow?.toEcs().network.community_id, flow?.communityId())
    t.throws(() => flow?.communityId(65_536), { code: 'ERR_OPTION', option: 'seed' })
  }
  d.dissect(make.ethernet(0x0806, make.arp()))
  t.equal(d.communityId(), undefined)
  for (const seed of [-1, 65_536, 0.5, '1', null]) {
    t.throws(() => d.communityId(seed as number), { code: 'ERR_OPTION', option: 'seed' })
  }
})

t.test("tshark's", async (t) => {
  const d = new Dissector()
  // The specification names TCP, UDP and SCTP for ports; tshark takes those of UDP-Lite, too.
  const packets = corpus().filter(({ name, linkType }) => linkType === 101 && !name.includes('udp-lite'))
  const witness = tsharkFields(packets, 101)
  let compared = 0
  packets.forEach(({ bytes, name }, i) => {
    d.dissect(bytes, 101)
    const expected = witness[i]?.communityid ?? []
    if (expected.length === 0) return
    t.strictSame([d.communityId()], expected, name)
    t.strictSame([flowOf(bytes)?.communityId()], expected, `the flow of ${name}`)
    compared++
  })
  t.ok(compared > 20, `${compared}`)
})
