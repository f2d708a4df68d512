import { CaptureError, formatMac, frame, type RequestOptions, request } from 'ringtap'
import t from '../support/live.js'
import { addNamespace, addVeth, down, ip, ipIn, link, netnsPath, sysctl } from '../support/network.js'
import { settle } from '../support/process.js'

const peer = await addNamespace()
addVeth('eth0', 'far0', { peerNamespace: peer.pid })
ip('address', 'add', '10.0.0.1/24', 'dev', 'eth0')
ipIn(peer.pid, 'address', 'add', '10.0.0.2/24', 'dev', 'far0')
ipIn(peer.pid, 'link', 'set', 'far0', 'up')
ip('link', 'set', 'eth0', 'up')

const source = link('eth0').address
const destination = link('far0', { namespace: peer.pid }).address
const ipv4 = { source: '10.0.0.1', destination: '10.0.0.2' }
const echo = (sequence: number) =>
  frame({ ethernet: { source, destination }, ipv4, icmp: { type: 8, identifier: 4711, sequence }, payload: 'ringtap' })
const sequenceIn = (data: Uint8Array) => Buffer.from(data).readUInt16BE(40)

t.test('the kernel at the other end answers each echo request, and the answer is that to this one', async (t) => {
  for (let sequence = 0; sequence < 20; sequence++) {
    const answer = await request('eth0', echo(sequence), { match: 'icmp[icmptype] = icmp-echoreply' })
    t.equal(answer && sequenceIn(answer.packet.data), sequence)
    t.ok(answer && answer.roundTrip > 0n && answer.roundTrip < 1_000_000_000n, `${answer?.roundTrip} ns`)
  }
})

t.test('ARP, with a function', async (t) => {
  const who = frame({
    ethernet: { source, destination: 'ff:ff:ff:ff:ff:ff' },
    arp: { senderMac: source, senderIp: '10.0.0.1', targetIp: '10.0.0.2' },
  })
  const asked: string[] = []
  const answer = await request('eth0', who, {
    match: (packet) => {
      asked.push(formatMac(packet.data.subarray(6, 12)))
      return packet.data[12] === 8 && packet.data[13] === 6 && packet.data[21] === 2
    },
  })
  t.same(
    answer?.packet.data.subarray(22, 28),
    Uint8Array.from(destination.split(':'), (byte) => Number(`0x${byte}`)),
  )
  t.notOk(asked.includes(source), 'the frame itself is not asked about')
})

t.test('no answer in time is undefined, and the process is free at once', async (t) => {
  const to3 = frame({
    ethernet: { source, destination },
    ipv4: { ...ipv4, destination: '10.0.0.3' },
    icmp: { type: 8 },
  })
  t.equal(await request('eth0', to3, { match: 'icmp', timeout: 50 }), undefined)
})

t.test('many at once, each with its own answer', async (t) => {
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
  const answers = await Promise.all(
    numbers.map((number) =>
      request('eth0', echo(number), { match: ({ data }) => data[34] === 0 && sequenceIn(data) === number }),
    ),
  )
  t.same(
    answers.map((answer) => answer && sequenceIn(answer.packet.data)),
    numbers,
  )
})

t.test('on loopback, where a frame comes in and never goes out', async (t) => {
  const zero = '00:00:00:00:00:00'
  const self = { source: '127.0.0.1', destination: '127.0.0.1' }
  const ping = frame({ ethernet: { source: zero, destination: zero }, ipv4: self, icmp: { type: 8, identifier: 5 } })
  sysctl('net/ipv4/conf/all/accept_local', 1)
  sysctl('net/ipv4/conf/lo/route_localnet', 1)
  const answer = await request('lo', ping, { match: 'icmp[icmptype] = icmp-echoreply' })
  t.equal(answer?.packet.data[34], 0)
})

t.test('in another namespace', async (t) => {
  const back = frame({
    ethernet: { source: destination, destination: source },
    ipv4: { source: '10.0.0.2', destination: '10.0.0.1' },
    icmp: { type: 8, identifier: 1 },
  })
  const answer = await request('far0', back, { match: 'icmp[icmptype] = icmp-echoreply', netns: netnsPath(peer.pid) })
  t.equal(answer?.packet.interface.name, 'far0')
})

t.test('errors are typed, and leave nothing behind', async (t) => {
  await request('eth0', echo(0), { match: 'icmp' })
  const { mappings: _, ...before } = await settle()
  const refused: [options: unknown, code: string, option?: string][] = [
    [undefined, 'ERR_OPTION', 'match'],
    [{}, 'ERR_OPTION', 'match'],
    [{ match: 5 }, 'ERR_OPTION', 'match'],
    [{ match: 'icmp', timeout: 0 }, 'ERR_OPTION', 'timeout'],
    [{ match: 'icmp', wait: 5 }, 'ERR_OPTION', 'wait'],
    [{ match: 'icmp and and' }, 'ERR_FILTER_SYNTAX'],
  ]
  for (const [options, code, option] of refused) {
    const wanted = { code, ...(option && { option }) }
    await t.rejects(request('eth0', echo(0), options as RequestOptions), wanted as unknown as Error, String(option))
  }
  await t.rejects(request('none0', echo(0), { match: 'icmp' }), { code: 'ERR_NO_INTERFACE' })
  await t.rejects(request('eth0', 'x' as unknown as Uint8Array, { match: 'icmp' }), { option: 'frame' } as never)
  await t.rejects(request('eth0', new Uint8Array(5), { match: 'icmp' }), /too-short/)
  const failure = new Error('not this one')
  await t.rejects(
    request('eth0', echo(1), {
      timeout: 3_600_000,
      match: () => {
        throw failure
      },
    }),
    failure,
  )
  const reason = new Error('enough')
  const controller = new AbortController()
  const waiting = request('eth0', echo(1), { match: () => false, timeout: 3_600_000, signal: controller.signal })
  setTimeout(() => controller.abort(reason), 30)
  await t.rejects(waiting, reason)
  await t.rejects(request('eth0', echo(1), { match: 'icmp', signal: AbortSignal.abort(reason) }), reason)
  down('eth0')
  await t.rejects(request('eth0', echo(1), { match: 'icmp' }), CaptureError)
  t.match(await settle(), before)
})
