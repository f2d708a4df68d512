import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CaptureStats, RecordingStats, RecordOptions } from 'ringtap'
import { range } from '../../helpers/range.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { unpack } from '../../helpers/unpack.js'
import { describe, numbersIn } from '../../helpers/wireshark.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { patience, within } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

interface Report {
  files: { path: string; packets: number }[]
  errors: { code: string; errno: number; message: string }[]
  rejected: string | undefined
  stats: RecordingStats
  before: CaptureStats
  after: CaptureStats
  later: number
  names: string[]
  copies: string
}

let runs = 0
/** `maxDelay` is that of the capture's chunks. */
async function record(
  options: RecordOptions & { remove?: boolean; count: number; maxDelay?: number },
  diskSize = '1m',
): Promise<Report> {
  const disk = folder.file(`disk${++runs}`)
  const copies = folder.file(`copies${runs}`)
  mkdirSync(disk)
  mkdirSync(copies)
  const program = fileURLToPath(new URL('record-full-child.js', import.meta.url))
  const script = `mount -t tmpfs -o size=${diskSize} tmpfs "$2" && exec "$0" "$@"`
  const args = [process.execPath, program, disk, copies, JSON.stringify(options)]
  const child = spawn('unshare', ['-m', 'sh', '-c', script, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [report] = await within(once(child, 'message'), 'the report', 60_000)
  await once(child, 'exit')
  return { ...(report as Report), copies }
}

t.test('on a full disk the file keeps its complete packets and the capture goes on', async (t) => {
  const report = await record({ path: 'a.pcapng', count: 3000 })
  t.match(report.errors, [{ code: 'ERR_SYSTEM', errno: 28 }])
  t.equal(report.rejected, 'ERR_SYSTEM', 'stop() tells it, too')
  t.same(report.names, ['a.pcapng'])
  const { packets, dropped } = report.stats
  t.ok(packets > 800, `${packets} fitted`)
  t.equal(describe(join(report.copies, 'a.pcapng')).packets, packets)
  t.same(numbersIn(join(report.copies, 'a.pcapng')), range(0, packets))
  t.same(report.files, [{ path: 'a.pcapng', packets }])
  const { delivered, droppedByRecorder, received, queued } = report.before
  t.equal(received, 3000)
  t.equal(delivered + droppedByRecorder + queued, 3000)
  t.ok(dropped + packets <= 3000)
  t.same(imbalances(report.after), [])
  t.equal(report.later, 3005 - packets - dropped, 'what the recording was not given any more, JavaScript is')
})

for (const compress of ['gzip', 'zstd'] as const) {
  t.test(`on a full disk a compressed file keeps its complete members, ${compress}`, async (t) => {
    const report = await record({ path: 'a.pcapng', compress, count: 20_000 }, '128k')
    t.match(report.errors, [{ code: 'ERR_SYSTEM', errno: 28 }])
    const { packets, bytes, dropped } = report.stats
    t.ok(packets > 800, `${packets} fitted`)
    t.ok(dropped > 0)
    const [name = ''] = report.names
    t.same(report.files, [{ path: name, packets }])
    const packed = readFileSync(join(report.copies, name))
    t.equal(packed.length, bytes)
    const plain = folder.fresh()
    writeFileSync(plain, unpack(packed, compress))
    t.same(numbersIn(plain), range(0, packets))
    t.same(imbalances(report.after), [])
    t.equal(report.later, 20_005 - packets - dropped)
  })
}

t.test('on a full disk the oldest files of a ring are deleted', async (t) => {
  const report = await record({ path: 'b-%i.pcapng', rotate: { size: 200_000 }, files: 50, count: 5000 })
  t.same(report.errors, [])
  t.equal(report.stats.packets, 5000)
  t.ok(report.names.length >= 3 && report.names.length <= 6)
  const kept = report.names.flatMap((name) => numbersIn(join(report.copies, name)))
  t.same(kept, range(5000 - kept.length, 5000))
})

t.test('minimumFree is left free on the disk', async (t) => {
  const report = await record({
    path: 'c-%i.pcapng',
    rotate: { size: 100_000 },
    files: 50,
    minimumFree: 600_000,
    count: 5000,
  })
  t.same(report.errors, [])
  t.equal(report.stats.packets, 5000)
  t.ok(report.names.length >= 2 && report.names.length <= 5, `${report.names.length} files`)
  // The file ends where the disk does, whether its bytes come one after the other or all at once.
  for (const more of [{ count: 3000 }, { count: 900, maxDelay: 1000 }]) {
    const alone = await record({ path: 'd.pcapng', minimumFree: 600_000, ...more })
    t.match(alone.errors, [{ code: 'ERR_SYSTEM', errno: 28, message: /600000 are to be left free/ }])
    const { packets, bytes } = alone.stats
    t.equal(describe(join(alone.copies, 'd.pcapng')).packets, packets)
    t.same(numbersIn(join(alone.copies, 'd.pcapng')), range(0, packets))
    t.ok(bytes <= (1 << 20) - 600_000 && bytes > (1 << 20) - 600_000 - 3 * 4096, `${bytes} bytes`)
  }
})

t.test('removing the file fails the recording', async (t) => {
  const report = await record({ path: 'e.pcapng', remove: true, count: 100 })
  t.match(report.errors, [{ code: 'ERR_SYSTEM', errno: 2, message: /was removed/ }])
  t.same(report.names, [])
  t.same(imbalances(report.after), [])
})
