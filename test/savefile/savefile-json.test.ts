import { writeFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { convertFiles, openFile, type Packet, type SavefileInterface, SavefileWriter } from 'ringtap'
import t from 'tap'
import { pcap } from '../helpers/savefiles.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const input = folder.file('input.pcap')
const times = ['1700000000000000001', '1700000000000000002'] as const
writeFileSync(
  input,
  pcap(
    times.map((time) => ({ time: BigInt(time), data: Buffer.alloc(60) })),
    { nanoseconds: true },
  ),
)

t.test('a file that was written, with its times as digits', async (t) => {
  const output = folder.file('output.pcapng')
  const [file] = (await convertFiles(input, output)).files
  t.strictSame(JSON.parse(JSON.stringify({ file })), {
    file: { ...file, firstTimestamp: times[0], lastTimestamp: times[1] },
  })
  t.strictSame(Object.keys(file ?? {}), ['path', 'packets', 'bytes', 'firstTimestamp', 'lastTimestamp'])
  t.strictSame(structuredClone(file), { ...file }, 'it can still be cloned')
})

t.test('the counts of a writer', async (t) => {
  const writer = new SavefileWriter(new PassThrough())
  for await (const chunk of await openFile(input)) await writer.write(chunk)
  const { firstTimestamp, lastTimestamp, packets } = JSON.parse(JSON.stringify(writer.stats))
  t.strictSame([firstTimestamp, lastTimestamp, packets], [...times, 2])
  t.equal(JSON.parse(JSON.stringify(await writer.close())).lastTimestamp, times[1])
})

t.test('interfaces, sections and blocks of a file', async (t) => {
  const output = folder.file('described.pcapng')
  const writer = await SavefileWriter.open(output, { comment: 'two packets' })
  for await (const chunk of await openFile(input)) await writer.write(chunk)
  await writer.close()
  const file = await openFile(output, { keep: { blocks: ['interfaceStatistics'] } })
  const interfaces: SavefileInterface[] = []
  for await (const chunk of file) {
    interfaces.push(([...chunk] as [Packet])[0].interface as SavefileInterface)
  }
  const [iface] = JSON.parse(JSON.stringify(interfaces))
  t.equal(iface.timestampOffset, '0')
  t.equal(iface.section.comments[0], 'two packets')
  const comment = { code: 1, value: Buffer.from('two packets').toString('base64') }
  t.strictSame(
    iface.section.options.find(({ code }: { code: number }) => code === 1),
    comment,
  )
  const [block] = JSON.parse(JSON.stringify(file.blocks))
  t.equal(block.kind, 'interfaceStatistics')
  t.equal(block.body, Buffer.from(file.blocks[0]?.body ?? []).toString('base64'))
})
