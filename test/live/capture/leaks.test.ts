import { readdirSync } from 'node:fs'
import { Capture, type Chunk } from 'ringtap'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth, link } from '../support/network.js'
import { descriptors, residentBytes, settle } from '../support/process.js'
import { sendSync } from '../support/send.js'
import { patience } from '../support/wait.js'

// The kernel waits for packets in flight when a packet socket is closed, some 25 ms: four captures at a time wait together.
const atATime = 4
t.setTimeout(300_000 * patience)

addVeth('eth0', 'far0')

const folder = new TestFolder(t)
let recordings = 0

async function cycle(times: number): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < times) await once(next++)
  }
  await Promise.all(Array.from({ length: atATime }, lane))
}

async function once(i: number): Promise<void> {
  await using capture = await Capture.open({
    interfaces: { include: '^eth', hotplug: true },
    filter: 'udp',
    promiscuous: true,
    ring: { memory: 1 << 20 },
  })
  if (i % 50 === 0) {
    sendSync({ interface: 'eth0', count: 10 })
    const { value } = await capture[Symbol.asyncIterator]().next()
    for (const packet of value as Chunk) packet.copy()
    // The chunk is neither released nor retained: close() must release it.
  }
  // close() must end the recording, too.
  if (i % 10 === 0) await capture.record({ path: folder.file(`${recordings++}.pcapng`) })
  await capture.close()
}

t.test('a thousand opened and closed captures leak no descriptor, thread, mapping or memory', async (t) => {
  await cycle(300)
  const before = await settle()
  const open = descriptors().sort()
  const memory = residentBytes()
  await cycle(1000)
  const after = await settle()
  t.equal(after.threads, before.threads, 'threads')
  t.same(descriptors().sort(), open, 'descriptors')
  t.equal(after.rings, 0, 'mappings of rings')
  const grown = residentBytes() - memory
  t.comment(`resident memory grew by ${grown} bytes in 1000 cycles`)
  // AddressSanitizer keeps up to 256 MiB of freed memory; it detects leaks itself.
  const kept = process.env['ASAN_OPTIONS'] === undefined ? 0 : 256 << 20
  t.ok(
    grown < kept + (16 << 20),
    'memory: a ring that stayed would be a megabyte a cycle, an interface list some kilobytes',
  )
  t.equal(
    readdirSync(folder.path).filter((name) => /^\d+\.pcapng$/.test(name)).length,
    recordings,
    'every file is complete',
  )
  t.equal(link('eth0').promiscuity, 0, 'promiscuous memberships')
})
