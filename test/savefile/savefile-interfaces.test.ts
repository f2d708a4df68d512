// What a file says of the interfaces of packets that come from several files.
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type NetworkInterface, openFile, Packet, SavefileWriter } from 'ringtap'
import t from 'tap'

const interfaceBlock = 1
const packetBlock = 6

function eth(name: string, index: number, address?: string): NetworkInterface {
  return { ...{ index, name, address, hardwareType: 1, generation: 0 }, addresses: [] } as unknown as NetworkInterface
}

/** A pcapng file with a packet of each of these interfaces, whose first byte is its place among them. */
async function fileOf(...interfaces: readonly NetworkInterface[]): Promise<Buffer> {
  return write(interfaces.map((iface, i) => Packet.from(Buffer.alloc(60, i), { interface: iface, timestamp: 1n })))
}

async function write(...files: readonly (readonly Packet[])[]): Promise<Buffer> {
  const stream = new PassThrough()
  const bytes = buffer(stream)
  const writer = new SavefileWriter(stream)
  for (const packets of files) await writer.write(packets)
  await writer.close()
  return bytes
}

async function packetsOf(bytes: Buffer): Promise<Packet[]> {
  await using file = await openFile(Readable.from([bytes]))
  const packets: Packet[] = []
  for await (const packet of file.packets()) packets.push(packet.copy())
  return packets
}

/** The names of the interface blocks, and of the packets the number of the block and the first byte, as they are stored. */
function blocksIn(file: Buffer): { names: string[]; packets: [number, number][] } {
  const names: string[] = []
  const packets: [number, number][] = []
  for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) {
    const type = file.readUInt32LE(at)
    if (type === packetBlock) packets.push([file.readUInt32LE(at + 8), file.readUInt8(at + 28)])
    if (type !== interfaceBlock) continue
    let name = ''
    const end = at + file.readUInt32LE(at + 4) - 4
    for (let option = at + 16; option < end && file.readUInt16LE(option) !== 0; ) {
      const length = file.readUInt16LE(option + 2)
      if (file.readUInt16LE(option) === 2) name = file.toString('utf8', option + 4, option + 4 + length)
      option += 4 + ((length + 3) & ~3)
    }
    names.push(name)
  }
  return { names, packets }
}

t.test('interfaces of several files are described once, whatever their numbers there', async (t) => {
  const [a, b] = ['02:00:00:00:00:01', '02:00:00:00:00:02']
  const first = await packetsOf(await fileOf(eth('eth0', 2, a), eth('eth1', 3, b)))
  const second = await packetsOf(await fileOf(eth('eth1', 3, b), eth('eth2', 9), eth('eth0', 2, a)))
  const { names, packets } = blocksIn(await write(first, second, first))
  t.strictSame(names, ['eth0', 'eth1', 'eth2'])
  t.strictSame(packets, [
    [0, 0],
    [1, 1],
    [1, 0],
    [2, 1],
    [0, 2],
    [0, 0],
    [1, 1],
  ])
})

t.test('those with another address are others, and so are two of one file that are described alike', async (t) => {
  const first = await packetsOf(await fileOf(eth('eth0', 2, '02:00:00:00:00:01')))
  const second = await packetsOf(await fileOf(eth('eth0', 2, '02:00:00:00:00:02')))
  t.strictSame(blocksIn(await write(first, second)).names, ['eth0', 'eth0'])

  const twins = await packetsOf(await fileOf(eth('tap', 4), eth('tap', 5)))
  const again = await packetsOf(await fileOf(eth('tap', 4), eth('tap', 5)))
  const { names, packets } = blocksIn(await write(twins, again))
  t.strictSame(names, ['tap', 'tap'])
  t.strictSame(
    packets.map(([id]) => id),
    [0, 1, 0, 1],
  )
})
