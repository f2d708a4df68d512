import { spawnSync } from 'node:child_process'
import { Capture, CaptureError, Injector, inject, type Packet } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { range } from '../../helpers/range.js'
import { captureDuring } from '../support/collect.js'
import { expectedFrame } from '../support/frame.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, down, ip, link, rename, up } from '../support/network.js'
import { stayOnOneProcessor } from '../support/one-processor.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { startTcpdump } from '../support/witness.js'

stayOnOneProcessor() // frames arrive in the order in which they are sent
addVeth('eth0', 'far0')

const frames = (count: number, options: Parameters<typeof expectedFrame>[1] = {}, start = 0) =>
  Array.from({ length: count }, (_, i) => expectedFrame(start + i, options))
const nothing = { sent: 0, bytes: 0, refused: 0, refusals: [] }

t.test('injected frames arrive byte for byte and in order', async (t) => {
  const sizes = [60, 64, 577, 1514]
  const list = sizes.flatMap((size, i) => frames(500, { size }, i * 500))
  const witness = await startTcpdump({ interface: 'far0' })
  let result: unknown
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    result = await inject('eth0', list)
  })
  t.strictSame(result, { sent: 2000, bytes: list.reduce((sum, one) => sum + one.length, 0), refused: 0, refusals: [] })
  await witness.waitFor(2000)
  const seen = await witness.stop()
  t.strictSame(
    seen.map(({ data }) => hex(data)),
    list.map(hex),
    'at tcpdump',
  )
  t.strictSame(
    packets.map(({ data }) => hex(data)),
    list.map(hex),
    'at a capture',
  )
})

t.test('one frame, a generator, a slice of a Buffer and several parts are sent', async (t) => {
  const count = 10_000 // about 2.5 parts of 4096 frames
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    t.equal((await inject('eth0', expectedFrame(0))).sent, 1)
    const pool = Buffer.concat([Buffer.alloc(7), expectedFrame(1), Buffer.alloc(9)])
    t.equal((await inject('eth0', pool.subarray(7, 71))).sent, 1)
    const generator = (function* () {
      for (let i = 2; i < count; i++) yield expectedFrame(i, { size: 60 + (i % 7) * 100 })
    })()
    t.equal((await inject('eth0', generator)).sent, count - 2)
    t.strictSame(await inject('eth0', []), nothing)
  })
  t.strictSame(
    packets.map(({ number }) => number),
    range(0, count),
  )
})

t.test('raw IP is sent on a tun device', { skip: tunAvailable() ? false : 'no access to /dev/net/tun' }, async (t) => {
  const tun = await openTun('tun0')
  const list = frames(300, { raw: true, size: 100 })
  const witness = await startTcpdump({ interface: 'tun0' })
  const { packets } = await captureDuring({ interfaces: 'tun0' }, async () => {
    t.match(await inject('tun0', list), { sent: 300, refused: 0 })
    t.match(
      await inject('tun0', [new Uint8Array(0), new Uint8Array(1501)]),
      {
        sent: 0,
        refusals: [
          { cause: 'too-short', errorName: 'EINVAL', positions: [0] },
          { cause: 'too-long', errorName: 'EMSGSIZE', positions: [1] },
        ],
      },
      'here the MTU is all there may be, and nothing is too little',
    )
  })
  t.strictSame(
    packets.map(({ data, direction, linkType }) => [hex(data), direction, linkType]),
    list.map((one) => [hex(one), 'out', 101]),
  )
  await witness.waitFor(300)
  t.strictSame(
    (await witness.stop()).map(({ data }) => hex(data)),
    list.map(hex),
    'at tcpdump',
  )
  await tun.close()
})

t.test('every refusal is counted with its cause and position', async (t) => {
  ip('link', 'set', 'eth0', 'mtu', '1000')
  const list = frames(250, { size: 1014 })
  for (const i of [3, 64, 65, 200]) list[i] = expectedFrame(i, { size: 1015 })
  for (const i of [0, 249]) list[i] = new Uint8Array(13)
  list[7] = new Uint8Array(0)
  list[8] = new Uint8Array(1 << 20) // larger than a part
  const tagged = expectedFrame(0, { size: 1018, vlan: 5 })
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    t.strictSame(await inject('eth0', [...list, tagged]), {
      sent: 242 + 1,
      bytes: 242 * 1014 + 1018,
      refused: 8,
      refusals: [
        { cause: 'too-short', errno: 22, errorName: 'EINVAL', count: 3, positions: [0, 7, 249] },
        { cause: 'too-long', errno: 90, errorName: 'EMSGSIZE', count: 5, positions: [3, 8, 64, 65, 200] },
      ],
    })
  })
  t.equal(packets.length, 243, 'and the others arrive')
  ip('link', 'set', 'eth0', 'mtu', '1500')

  await using injector = await Injector.open('eth0')
  t.equal((await injector.send(frames(10))).sent, 10)
  down('eth0')
  const refused = await injector.send(frames(5000))
  t.strictSame(refused, {
    sent: 0,
    bytes: 0,
    refused: 5000,
    refusals: [{ cause: 'interface-down', errno: 100, errorName: 'ENETDOWN', count: 5000, positions: range(0, 100) }],
  })
  up('eth0')
  t.equal((await injector.send(frames(10))).sent, 10, 'up again')
  t.strictSame(injector.stats(), {
    sent: 20,
    bytes: 20 * 64,
    refused: 5000,
    refusals: [
      {
        cause: 'interface-down',
        errno: 100,
        errorName: 'ENETDOWN',
        count: 5000,
        positions: range(0, 100).map((i) => i + 10),
      },
    ],
  })
})

t.test('a view on a detached buffer is refused like an empty one', async (t) => {
  const frame = new Uint8Array(64)
  structuredClone(frame.buffer, { transfer: [frame.buffer] })
  const empty = await inject('eth0', new Uint8Array(0))
  t.match(empty, { sent: 0, refused: 1 })
  const gone = await inject('eth0', [frame])
  t.strictSame([gone.sent, gone.refused, gone.refusals], [empty.sent, empty.refused, empty.refusals])
})

t.test('an injector stays bound to its device', async (t) => {
  addVeth('old0', 'old1')
  await using injector = await Injector.open('old0')
  t.match(injector.interface, { name: 'old0', index: link('old0').ifindex, kind: 'veth' })
  rename('old0', 'new0')
  const { packets } = await captureDuring({ interfaces: 'old1' }, async () => {
    t.equal((await injector.send(frames(3))).sent, 3, 'renamed')
  })
  t.equal(packets.length, 3)
  del('new0')
  addVeth('old0', 'old1')
  t.match(
    await injector.send(frames(3)),
    { sent: 0, refusals: [{ cause: 'interface-gone', errorName: 'ENXIO', count: 3 }] },
    'gone, and another has its name',
  )
  t.equal(link('old1').stats64.rx.packets, 0)
  del('old0')
})

t.test('captured packets are sent as they were on the wire', async (t) => {
  addVeth('in0', 'in1')
  addVeth('out0', 'out1')
  const plain = frames(200, { size: 300 })
  const tagged = frames(200, { size: 300, vlan: 0x6005, tpid: 0x88a8 }, 200)
  const witness = await startTcpdump({ interface: 'out1' })
  await using injector = await Injector.open('out0')
  await using capture = await Capture.open({ interfaces: 'in1' })
  await inject('in0', [...plain, ...tagged])
  let seen = 0
  for await (const chunk of capture) {
    seen += chunk.packetCount
    t.match(await injector.send(chunk), { sent: chunk.packetCount, refused: 0 })
    if (seen === 400) break
  }
  await witness.waitFor(400)
  t.strictSame(
    (await witness.stop()).map(({ data }) => hex(data)),
    [...plain, ...tagged].map(hex),
  )
  del(['in0', 'out0'])
})

t.test('truncated packets and packets of another link type are refused', async (t) => {
  await using capture = await Capture.open({ interfaces: 'far0', snapshotLength: 100 })
  await inject('eth0', [expectedFrame(0, { size: 100 }), expectedFrame(1, { size: 101 })])
  const packets: Packet[] = []
  for await (const chunk of capture) {
    for (const packet of chunk) packets.push(packet.copy())
    if (packets.length === 2) break
  }
  await using injector = await Injector.open('far0')
  t.strictSame(await injector.send([...packets, expectedFrame(2)]), {
    sent: 2,
    bytes: 164,
    refused: 1,
    refusals: [{ cause: 'truncated', errno: undefined, errorName: undefined, count: 1, positions: [1] }],
  })
  if (tunAvailable()) {
    const tun = await openTun('tun0')
    t.match(await inject('tun0', packets), { sent: 0, refusals: [{ cause: 'link-type', count: 2, positions: [0, 1] }] })
    await tun.close()
  }
  const [chunk] = await Promise.all([
    capture[Symbol.asyncIterator]()
      .next()
      .then(({ value }) => value),
    inject('eth0', expectedFrame(3)),
  ])
  const [packet] = chunk
  chunk.release()
  await t.rejects(injector.send([packet]), { code: 'ERR_RELEASED' })
})

t.test('with bypassQueue, taps on the interface do not see the frames', async (t) => {
  const { packets } = await captureDuring({ interfaces: ['eth0', 'far0'] }, async () => {
    t.equal((await inject('eth0', frames(50), { bypassQueue: true })).sent, 50)
  })
  t.strictSame(
    packets.map((packet) => `${packet.interface} ${packet.direction} ${packet.number}`),
    range(0, 50).map((i) => `far0 in ${i}`),
  )
})

t.test('an interface of another namespace is found by name or alternative name', async (t) => {
  const other = await addNamespace()
  addVeth('here', 'there', { peerNamespace: other.pid })
  ip('link', 'property', 'add', 'dev', 'here', 'altname', 'a-name-that-is-longer-than-others')
  const { packets } = await captureDuring({ interfaces: 'here' }, async () => {
    t.equal((await inject('there', frames(5), { netns: other.path })).sent, 5)
    t.equal((await inject('a-name-that-is-longer-than-others', frames(5))).sent, 5)
    await t.rejects(inject('there', frames(5)), { code: 'ERR_NO_INTERFACE' })
  })
  t.strictSame(
    packets.map(({ direction }) => direction),
    ['in', 'in', 'in', 'in', 'in', 'out', 'out', 'out', 'out', 'out'],
  )
  await t.rejects(inject('there', frames(5), { netns: '/run/netns/none-such' }), { code: 'ERR_OPTION' })
  del('here')
  await other.close()
})

t.test('several sends at once are executed one after another', async (t) => {
  await using injector = await Injector.open('eth0')
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    const results = await Promise.all(range(0, 20).map((i) => injector.send(frames(500, {}, i * 500))))
    t.ok(results.every(({ sent }) => sent === 500))
  })
  t.strictSame(
    packets.map(({ number }) => number),
    range(0, 10_000),
  )
  t.equal(injector.stats().sent, 10_000)
})

t.test('wrong arguments are refused', async (t) => {
  const fails = async (promise: Promise<unknown>, code: string, text: RegExp) => {
    const error = (await promise.then(
      () => undefined,
      (error: unknown) => error,
    )) as CaptureError
    t.ok(error instanceof CaptureError && error.code === code && text.test(error.message), `${error?.message}`)
  }
  await fails(inject('eth9', []), 'ERR_NO_INTERFACE', /no interface has the name eth9; there are lo, .*eth0/)
  await fails(inject(undefined as never, undefined as never), 'ERR_OPTION', /^interfaceName must be the name/)
  await fails(inject('', []), 'ERR_OPTION', /^interfaceName must be the name of an interface; got the string ""/)
  await fails(inject('eth0', 'text' as never), 'ERR_OPTION', /^frames must be a Uint8Array, a Packet, or an iterable/)
  await fails(inject('eth0', 5 as never), 'ERR_OPTION', /^frames must be/)
  await fails(inject('eth0', [expectedFrame(0), 'x'] as never), 'ERR_OPTION', /^frames\[1\] must be a Uint8Array or/)
  await fails(inject('eth0', [], { maxwait: 5 } as never), 'ERR_OPTION', /maxwait is not an option/)
  await fails(inject('eth0', [], { maxWait: -1 }), 'ERR_OPTION', /^maxWait must be/)
  await fails(inject('eth0', [], { signal: 5 as never }), 'ERR_OPTION', /^signal must be an AbortSignal/)
  await fails(inject('eth0', [], { bypassQueue: 1 as never }), 'ERR_OPTION', /^bypassQueue must be a boolean/)
  const { packets } = await captureDuring({ interfaces: 'far0' }, async () => {
    await using injector = await Injector.open('eth0')
    await fails(injector.send(frames(5).concat(undefined as never)), 'ERR_OPTION', /^frames\[5\]/)
    const broken = (function* (): Generator<Uint8Array> {
      yield* frames(5000)
      throw new Error('my own')
    })()
    await t.rejects(injector.send(broken), { message: 'my own' })
    t.equal(injector.stats().sent, 4096, 'what was sent before is told')
    t.equal((await injector.send(expectedFrame(0))).sent, 1, 'and it goes on')
    await injector.close()
    await injector.close()
    await fails(injector.send(expectedFrame(0)), 'ERR_CLOSED', /closed/)
    t.equal(injector.stats().sent, 4097)
  })
  t.equal(packets.length, 4097, 'nothing of an array that is wrong')
  const reason = new Error('before')
  await t.rejects(inject('eth0', frames(5), { signal: AbortSignal.abort(reason) }), reason)
})

const program = `
  import { inject, replay } from '${import.meta.resolve('ringtap')}'
  const fails = (promise) => promise.then(() => 'sent', ({ code, message, syscall }) => ({ code, message, syscall }))
  console.log(JSON.stringify([
    await fails(inject('eth0', new Uint8Array(64))),
    await fails(replay('/dev/null', { interface: 'eth0' })),
  ]))`
// Without the variables tap adds for every child.
const without = ['--inh-caps=-all', '--bounding-set=-all', 'env', '-i', `PATH=${process.env['PATH']}`, process.execPath]
const probe = spawnSync('setpriv', [...without, '-e', '0'], { encoding: 'utf8' })
const noDrop = probe.status === 0 ? false : `no program can be run without capabilities: ${probe.stderr}`

t.test('without the capability the error names what is missing', { skip: noDrop }, async (t) => {
  const { stdout, stderr } = spawnSync('setpriv', [...without, '--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  t.equal(stderr, '')
  for (const error of JSON.parse(stdout)) {
    t.match(error, { code: 'ERR_PERMISSION', syscall: 'socket', message: /sending needs CAP_NET_RAW/ })
  }
})
