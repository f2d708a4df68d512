// The options of pcapng's packets on their way from one file to another, from both byte orders.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { convertFiles, openFile, SavefileWriter } from 'ringtap'
import t from 'tap'
import { Bytes, Pcapng } from '../helpers/savefiles.js'
import { run } from '../helpers/wireshark.js'

const folder = t.testdir()
let files = 0
const fresh = () => path.join(folder, `${files++}.pcapng`)

type Option = readonly [code: number, value: Uint8Array]

/** Options of each kind, in one byte order. */
function options(big: boolean): Option[] {
  const bytes = () => new Bytes(big)
  return [
    [1, Buffer.from('curl(4711) > nginx(80)')],
    [3, Buffer.from('0212345678', 'hex')],
    [4, bytes().u64(5n).done()],
    [5, bytes().u64(0x0102_0304_0506_0708n).done()],
    [6, bytes().u32(3).done()],
    [7, Buffer.from('00ff', 'hex')],
    [7, Buffer.concat([Buffer.from([1]), bytes().u64(2n).done()])],
    [7, Buffer.concat([Buffer.from([2]), bytes().u64(4n).done()])],
    [8, bytes().u32(4711, 4712).done()],
    [2988, Buffer.concat([bytes().u32(32473).done(), Buffer.from('text')])],
    [2989, Buffer.concat([bytes().u32(32473).done(), Buffer.from([1, 2, 3])])],
    [1, Buffer.from('another')],
  ]
}

/** What is not carried over: what must not be copied, what nobody defined, and values of the wrong length. */
function others(big: boolean): Option[] {
  const bytes = () => new Bytes(big)
  return [
    [19372, Buffer.concat([bytes().u32(32473).done(), Buffer.from('text')])],
    [19373, bytes().u32(32473).done()],
    [99, Buffer.from([1])],
    [8, bytes().u32(1).done()],
    [5, Buffer.from([1])],
    [2989, Buffer.from([1])],
    [3, Buffer.alloc(0)],
    [7, Buffer.alloc(0)],
    [7, Buffer.concat([Buffer.from([3]), bytes().u64(1n).done()])],
    [7, Buffer.from([1, 2])],
  ]
}

/** The options of each packet of a file in this machine's byte order. */
function optionsIn(file: Uint8Array): string[][] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const found: string[][] = []
  for (let at = 0; at < file.length; at += view.getUint32(at + 4, true)) {
    if (view.getUint32(at, true) !== 6) continue
    const list: string[] = []
    for (let option = at + 28 + ((view.getUint32(at + 20, true) + 3) & ~3); ; ) {
      const code = view.getUint16(option, true)
      const length = view.getUint16(option + 2, true)
      if (code === 0 || option >= at + view.getUint32(at + 4, true) - 4) break
      list.push(shown([code, file.subarray(option + 4, option + 4 + length)]))
      option += 4 + ((length + 3) & ~3)
    }
    found.push(list)
  }
  return found
}

const shown = ([code, value]: Option) => `${code} ${Buffer.from(value).toString('hex')}`
const flags: Option = [2, new Bytes(false).u32(1).done()]

for (const big of [false, true]) {
  const time = 1_700_000_000_000_000n
  const bytes = new Pcapng(big)
    .section()
    .interface(1)
    .packet(0, { time, data: Buffer.alloc(61) }, [...options(big), [2, new Bytes(big).u32(1).done()]])
    .packet(0, { time, data: Buffer.alloc(60) }, others(big))
    .packet(0, { time, data: Buffer.alloc(63) }, [[8, new Bytes(big).u32(1, 0).done()]])
    .done()
  const wanted = [[...options(false), flags].map(shown), [], [shown([8, new Bytes(false).u32(1, 0).done()])]]
  const file = fresh()
  writeFileSync(file, bytes)
  const order = big ? 'big-endian' : 'little-endian'

  t.test(`${order}: a converted file has them`, async (t) => {
    const output = fresh()
    await convertFiles(file, output)
    t.strictSame(optionsIn(readFileSync(output)), wanted)
    const fields = ['packet_id', 'interface_queue', 'drop_count', 'verdict.ebpf_tc', 'verdict.ebpf_xdp', 'comment']
    const args = fields.flatMap((field) => ['-e', `frame.${field}`])
    const line = run('tshark', ['-n', '-r', output, '-T', 'fields', '-E', 'aggregator=|', ...args]).toString()
    const first = [0x0102_0304_0506_0708n, 3, 5, 2, 4, 'curl(4711) > nginx(80)|another']
    t.equal(line.split('\n')[0]?.trimEnd(), first.join('\t'))
  })

  t.test(`${order}: chunks carry them to a writer and into memory`, async (t) => {
    const output = fresh()
    await using writer = await SavefileWriter.open(output)
    let encoded: Uint8Array | undefined
    for await (const chunk of await openFile(file)) {
      const comments = [...chunk].map((packet) => packet.comments)
      t.strictSame(comments, [['curl(4711) > nginx(80)', 'another'], [], []], 'comments are those that are comments')
      await writer.write(chunk.retain())
      encoded = await chunk.encode()
    }
    await writer.close()
    t.strictSame(optionsIn(readFileSync(output)), wanted)
    t.strictSame(optionsIn(encoded as Uint8Array), wanted)
  })
}

t.test('packets that are read without comments have none of them', async (t) => {
  const file = fresh()
  const packet = { time: 1n, data: Buffer.alloc(60) }
  writeFileSync(file, new Pcapng().section().interface(1).packet(0, packet, options(false)).done())
  const output = fresh()
  await using writer = await SavefileWriter.open(output)
  for await (const chunk of await openFile(file, { comments: false })) await writer.write(chunk)
  await writer.close()
  t.strictSame(optionsIn(readFileSync(output)), [[]])
})

t.test('a packet with more options than a chunk holds keeps its comments alone', async (t) => {
  const file = fresh()
  const large: Option = [2989, Buffer.concat([new Bytes(false).u32(32473).done(), Buffer.alloc(65_524)])]
  const all: Option[] = [[1, Buffer.from('kept')], ...Array.from({ length: 8 }, () => large)]
  writeFileSync(
    file,
    new Pcapng()
      .section()
      .interface(1)
      .packet(0, { time: 1n, data: Buffer.alloc(60) }, all)
      .done(),
  )
  const output = fresh()
  t.match(await convertFiles(file, output), { packets: 1, written: 1 })
  t.strictSame(optionsIn(readFileSync(output)), [[shown([1, Buffer.from('kept')])]])
})
