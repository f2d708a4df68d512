import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pcap } from '../../helpers/savefiles.js'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'

/** Number of terminations per entry point. */
const rounds = Number(process.env['RINGTAP_TERMINATIONS'] ?? 4)

t.setTimeout(0)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)
const packets = Array.from({ length: 200 }, (_, i) => ({ time: BigInt(i), data: Buffer.alloc(60, i) }))
writeFileSync(folder.file('input.pcap'), pcap(packets))
const script = fileURLToPath(new URL('terminate-child.js', import.meta.url))

for (const entry of [
  'Capture.open',
  'Capture.open, backend pcap',
  'Capture.open that fails',
  'openFile',
  'openFile that fails',
  'openFile with costly patterns',
  'convertFiles',
  'replay',
  'SavefileWriter',
  'capture.record',
  'capture.batches',
  'Injector.open',
  'Injector.open that fails',
  'watchInterfaces',
]) {
  t.test(`a worker that is terminated in ${entry} leaves nothing open`, async (t) => {
    const { error, stdout, stderr } = await new Promise<{ error: Error | null; stdout: string; stderr: string }>(
      (resolve) => {
        execFile(process.execPath, [script, entry, folder.path, String(rounds)], (error, stdout, stderr) =>
          resolve({ error, stdout, stderr }),
        )
      },
    )
    t.equal(stderr, '')
    if (!t.equal(error, null)) return
    const { before, after } = JSON.parse(stdout)
    // If a worker ends during Node's own fs.promises.open(), the file stays open. That is not a leak of the library.
    const own = (open: string[]) => open.filter((path) => !path.endsWith('input.pcap'))
    t.same(own(after.open), own(before.open), 'descriptors')
    t.equal(after.threads, before.threads, 'threads')
    t.equal(after.rings, 0, 'rings')
  })
}
