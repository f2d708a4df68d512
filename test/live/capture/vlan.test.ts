import { Capture, type CaptureOptions, type Packet } from 'ringtap'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, down, up } from '../support/network.js'
import { expectedFrame, sendSync, sequenceOf } from '../support/send.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'
import { startTcpdump } from '../support/witness.js'

addVeth('eth0', 'far0')

/** TCIs with different priority, drop eligible and VLAN id fields. */
const tags = [5, 5 | (3 << 13), 5 | 0x1000, 7, 0xfff | (7 << 13) | 0x1000, 0].map((tci, i) => ({ tci, start: i * 10 }))

function traffic(name = 'eth0'): void {
  for (const { tci, start } of tags) sendSync({ interface: name, count: 10, start, vlan: tci, size: 100 })
  sendSync({ interface: name, count: 10, start: 1000, size: 100 })
}

const tciOf = (number: number) => tags.find(({ start }) => number >= start && number < start + 10)?.tci

/** Stops the capture, reads all remaining packets and closes it. */
async function drain(
  capture: Capture,
  visit?: (packet: Packet, number: number) => void,
): Promise<{ numbers: number[]; wrong: string[] }> {
  try {
    await capture.stop()
    const numbers: number[] = []
    for await (const packet of capture.packets()) {
      const number = sequenceOf(packet.data) as number
      numbers.push(number)
      visit?.(packet, number)
    }
    return { numbers, wrong: imbalances(capture.stats()) }
  } finally {
    await capture.close()
  }
}

async function numbersDuring(
  options: CaptureOptions,
  visit?: (packet: Packet, number: number) => void,
  from: () => unknown = traffic,
): Promise<{ numbers: number[]; wrong: string[] }> {
  await using capture = await Capture.open(options)
  from()
  return await drain(capture, visit)
}

const all = [
  ...tags.flatMap(({ start }) => Array.from({ length: 10 }, (_, i) => start + i)),
  ...Array.from({ length: 10 }, (_, i) => 1000 + i),
]

for (const { way, options, skip } of ways) {
  t.test(`VLAN tags are removed from the bytes and reported, ${way}`, { skip }, async (t) => {
    for (const interfaces of ['eth0', 'far0']) {
      const { numbers, wrong } = await numbersDuring({ interfaces, ...options }, (packet, number) => {
        const tci = tciOf(number)
        if (tci === undefined) {
          t.equal(packet.vlan, undefined)
          return
        }
        const { vlan } = packet
        // The tag is sent in the bytes: the sender's tap sees it there, while the receiver's kernel removes it.
        if (interfaces === 'eth0' && vlan === undefined) {
          t.ok(
            Buffer.from(packet.data).equals(expectedFrame(number, { vlan: tci, size: 100 })),
            `${number} with its tag`,
          )
          return
        }
        t.same(
          vlan,
          { id: tci & 0xfff, priority: tci >>> 13, dropEligible: (tci & 0x1000) !== 0, protocol: 0x8100 },
          `the tag of ${number}`,
        )
        t.ok(Buffer.from(packet.data).equals(expectedFrame(number, { vlan: tci, size: 100, stripped: true })), 'bytes')
        t.equal(packet.originalLength, 96)
        t.same(packet.copy().vlan, vlan)
      })
      t.same(numbers, all)
      t.same(wrong, [])
    }
  })

  t.test(`filters on VLAN tags select what tcpdump selects, ${way}`, { skip }, async (t) => {
    const filters = [
      'vlan',
      'vlan 5',
      'vlan 7 and udp',
      'not vlan',
      'vlan 5 or vlan 7',
      'vlan and vlan',
      'udp port 9',
      'ether proto 0x8100',
      'vlan 5 and host 198.18.0.1',
      'len <= 96',
    ]
    // At the receiver the tags are in the metadata, at the sender in the bytes.
    const cases = filters.map((filter, i) => ({ name: 'far0', filter, sender: i < 3 }))
    cases.push(...cases.filter(({ sender }) => sender).map((one) => ({ ...one, name: 'eth0' })))
    // Several cases in parallel: tcpdump is slow to start.
    while (cases.length > 0) {
      const few = cases.splice(0, 5)
      const witnesses = await Promise.all(few.map(({ name, filter }) => startTcpdump({ interface: name, filter })))
      const captures = await Promise.all(
        few.map(({ name, filter }) =>
          Capture.open({ interfaces: name, filter, ...options, ring: { ...options.ring, memory: 1 << 20 } }),
        ),
      )
      t.teardown(() => Promise.all(captures.map((capture) => capture.close())))
      traffic()
      const theirs = await Promise.all(witnesses.map((witness) => witness.stop()))
      for (const [i, { name, filter }] of few.entries()) {
        const { numbers, wrong } = await drain(captures[i] as Capture)
        const wanted = theirs[i]?.map(({ data }) => sequenceOf(data))
        t.same(numbers, wanted, `"${filter}" on ${name}: ${numbers.length} packets`)
        t.same(wrong, [])
      }
    }
    t.equal((await numbersDuring({ interfaces: 'far0', filter: 'vlan 5', ...options })).numbers.length, 30)
  })

  t.test(`802.1ad tags are reported, ${way}`, { skip }, async (t) => {
    for (const filter of [undefined, 'vlan 9']) {
      const { numbers } = await numbersDuring(
        { interfaces: 'far0', ...options, filter },
        (packet, number) => {
          t.same(packet.vlan, { id: 9, priority: 0, dropEligible: false, protocol: 0x88a8 })
          t.ok(Buffer.from(packet.data).equals(expectedFrame(number, { vlan: 9, stripped: true })), 'without the tag')
        },
        () => sendSync({ interface: 'eth0', vlan: 9, tpid: 0x88a8, count: 5 }),
      )
      t.equal(numbers.length, 5)
    }
  })

  // libpcap misses the first packets of a new interface.
  if (options.backend) continue
  t.test(`a filter on VLAN tags applies to an interface that appears later, ${way}`, { skip }, async (t) => {
    for (const [filter, count] of [
      ['vlan 5', 30],
      ['not vlan', 10],
      ['vlan', 60],
    ] as const) {
      const { numbers, wrong } = await numbersDuring(
        { interfaces: { include: '^late1', hotplug: true }, filter, ...options },
        undefined,
        () => {
          addVeth('late0', 'late1')
          traffic('late0')
        },
      )
      t.equal(numbers.length, count, filter)
      t.same(wrong, [])
      del('late0')
    }
  })
}

t.test('a filter on VLAN tags compiled before any device was up applies', async (t) => {
  const bare = await addNamespace()
  down('lo', { namespace: bare.pid })
  addVeth('outer', 'inner', { peerNamespace: bare.pid, up: false })
  await using capture = await Capture.open({ netns: bare.path, filter: 'vlan 5', interfaces: 'inner' })
  const warnings: string[] = []
  const numbers: number[] = []
  capture.on('warning', ({ message }) => warnings.push(message))
  const reading = (async () => {
    for await (const packet of capture.packets()) numbers.push(sequenceOf(packet.data) as number)
  })()
  await waitUntil(() => warnings.length === 1, 'the warning')
  t.match(warnings[0], /no Ethernet device of the namespace is up: until one is/)
  up('inner', { namespace: bare.pid })
  up('outer')
  let probe = 1000
  await waitUntil(() => {
    sendSync({ interface: 'outer', count: 1, start: probe++, vlan: 5 })
    return numbers.length > 0
  }, 'the filter to know of the tag')
  sendSync({ interface: 'outer', count: 10, vlan: 5 })
  sendSync({ interface: 'outer', count: 10, start: 10, vlan: 7 })
  sendSync({ interface: 'outer', count: 10, start: 20 })
  await capture.stop()
  await reading
  t.same(
    numbers.filter((number) => number < 1000),
    Array.from({ length: 10 }, (_, i) => i),
  )
  t.equal(warnings.length, 1)
  await capture.close()
  await bare.close()
})
