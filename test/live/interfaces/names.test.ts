// Interface names are byte strings: the kernel rejects only `/`, `:` and white space. Any user who may make devices in
// a namespace chooses their names, and may move them to other namespaces.
import { execFileSync } from 'node:child_process'
import { inspect } from 'node:util'
import { Capture, type CaptureError, explainSelection, inject, listInterfaces, openFile } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { drainBacklog } from '../support/backlog.js'
import { reading } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addNamespace, addVeth, del, down, moveTo, up } from '../support/network.js'
import { expectedFrame } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

const folder = new TestFolder(t)
const unprintable = /[\p{Cc}\u202e]/u
const odd = ['\x1b[31mred', 'x\x1b]0;y\x07', 'a\x7fb', '\u009b31m', '\u202egnol', '$(id)', '-rf', 'é€']
const peers = odd.map((_, i) => `far${i}`)
const frame = expectedFrame(7)

t.test('interfaces with unusual names are moved in from another namespace', async (t) => {
  const other = await addNamespace()
  t.teardown(() => other.close())
  await using capture = await Capture.open({ interfaces: { include: '.', exclude: '^far', hotplug: true } })
  const events: string[] = []
  capture.on('interface', ({ type, interface: { name } }) => {
    if (type === 'added' && !name.startsWith('far')) events.push(name)
  })
  for (const [i, name] of odd.entries()) addVeth(name, `far${i}`, { up: false })
  for (const name of odd) moveTo(other.pid, name)
  for (const name of odd) {
    moveTo(process.pid, name, { namespace: other.pid })
    up(name)
  }
  up(peers)
  // A veth drops frames for a while after it is set up; the kernel's link watch holds a lock until it is done.
  // Not checked with `ip -json`, which does not escape control characters.
  await waitUntil(() => listInterfaces().every(({ running }) => running), 'all to be up')
  up(peers)
  await waitUntil(
    () => capture.interfaces.length === odd.length,
    'all to be captured',
    undefined,
    () => events,
  )
  t.strictSame(capture.interfaces.map(({ name }) => name).sort(), [...odd].sort())
  t.strictSame([...new Set(events)].sort(), [...odd].sort(), 'the events have the names')
  t.strictSame(
    listInterfaces()
      .map(({ name }) => name)
      .filter((name) => odd.includes(name))
      .sort(),
    [...odd].sort(),
    'so has the list',
  )

  const { packets, done } = reading(capture)
  const path = folder.fresh()
  const recording = await capture.record({ path })
  for (const peer of peers) t.equal((await inject(peer, frame)).sent, 1)
  drainBacklog()
  await capture.stop()
  await done
  t.strictSame(
    packets.map(({ interface: name, number }) => `${number} ${name}`).sort(),
    odd.map((name) => `7 ${name}`).sort(),
    'a packet of each',
  )
  await recording.stop()
  t.strictSame(imbalances(capture.stats()), [])
  await using file = await openFile(path)
  const read: string[] = []
  for await (const packet of file.packets()) read.push(packet.interface.name)
  t.strictSame(read.sort(), [...odd].sort(), 'the file has them too')
})

t.test('each can be selected, exactly or by a pattern', async (t) => {
  for (const [i, name] of odd.entries()) {
    for (const backend of ['ring', 'pcap'] as const) {
      await using capture = await Capture.open({ interfaces: name, backend, ring: { memory: 1 << 20 } })
      capture.on('warning', ({ message }) => t.notMatch(message, unprintable, inspect(message)))
      t.strictSame(
        capture.interfaces.map((one) => one.name),
        [name],
      )
      await inject(`far${i}`, frame)
      await inject(name, frame)
      drainBacklog()
      await capture.stop()
      let packets = 0
      for await (const chunk of capture) packets += chunk.packetCount
      t.equal(packets, 2, `${inspect(name)}, ${backend}`)
    }
    const pattern = name.replaceAll(/[$()[\]\\.^*+?|]/g, '\\$&')
    await using capture = await Capture.open({ interfaces: { include: pattern }, ring: { memory: 1 << 20 } })
    t.strictSame(
      capture.interfaces.map((one) => one.name),
      [name],
      'by a pattern',
    )
  }
})

t.test('no message contains their control characters', async (t) => {
  t.notMatch(inspect(listInterfaces()).replaceAll('\n', ''), /\p{Cc}/u)
  const texts = listInterfaces().map((iface) => explainSelection(iface, { include: '^none' }).text)
  const name = '\x1b[31mred'
  down(name)
  for (const act of [
    () => Capture.open({ interfaces: 'none' }),
    () => Capture.open({ interfaces: { include: 'none' } }),
    () => Capture.open({ interfaces: 'none', backend: 'pcap' }),
    () => Capture.open({ interfaces: '\x1b[32mgreen' }),
    () => inject('\x1b[32mgreen', frame),
  ]) {
    const failure = await act().then(
      () => undefined,
      (error: CaptureError) => error,
    )
    t.equal(failure?.code, 'ERR_NO_INTERFACE')
    texts.push(String(failure?.stack))
  }
  const { refused, refusals } = await inject(name, frame)
  t.match([refused, refusals], [1, [{ cause: 'interface-down' }]])
  texts.push(inspect(refusals, { depth: 9 }))
  for (const text of texts) t.notMatch(text.replaceAll('\n', ''), unprintable, inspect(text).slice(0, 200))
  del(peers)
})

t.test('names that are not UTF-8 are listed and can be selected', async (t) => {
  const names = range(0xf0, 0xf8).map((byte) => `\\${byte.toString(8)}x`)
  const script =
    'for n in "$@"; do ip link add name "$(printf "$n")" up type veth; done; for i in $(seq 0 7); do ip link set veth$i up; done'
  execFileSync('sh', ['-e', '-c', script, 'sh', ...names])
  const found = listInterfaces().filter(({ name }) => name === '\ufffdx')
  t.equal(found.length, 8, 'are listed, each with the replacement character')
  t.equal(new Set(found.map(({ index }) => index)).size, 8)
  await using capture = await Capture.open({ interfaces: { include: 'x$' } })
  t.strictSame(
    capture.interfaces.map(({ index }) => index),
    found.map(({ index }) => index),
    'and selected by what is readable of them',
  )
  for (const i of range(0, 8)) await inject(`veth${i}`, frame)
  drainBacklog()
  await capture.stop()
  const indexes: number[] = []
  for await (const packet of capture.packets()) indexes.push(packet.interface.index)
  t.strictSame(
    indexes.sort((a, b) => a - b),
    found.map(({ index }) => index),
    'a packet of each',
  )
  t.strictSame(imbalances(capture.stats()), [])
  del(range(0, 8).map((i) => `veth${i}`))
})
