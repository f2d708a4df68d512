// Files captured by dumpcap, compared as read by the library and by tshark.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openFile } from 'ringtap'
import { describe, readByRingtap, readByTshark } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send } from '../support/send.js'
import { waitUntil, within } from '../support/wait.js'

addVeth('eth0', 'far0')
addVeth('eth1', 'far1')

for (const format of ['pcapng', 'pcap'] as const) {
  t.test(format, async (t) => {
    const path = join(t.testdir(), `capture.${format}`)
    const args =
      format === 'pcap' ? ['-P', '-i', 'eth0'] : ['-i', 'eth0', '-i', 'eth1', '--capture-comment', 'by dumpcap']
    // A capture filter of its own, so that only the test's packets are counted.
    const dumpcap = spawn('dumpcap', ['-f', 'udp', ...args, '-c', '60', '-w', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    const ended = once(dumpcap, 'close')
    // Read stderr to its end: if the reader closes the pipe, dumpcap takes SIGPIPE for a request to stop.
    dumpcap.stderr.on('data', (text: Buffer) => (said += text.toString()))
    await waitUntil(
      () => /File: /.test(said),
      'dumpcap to listen',
      undefined,
      () => said,
    )
    await send({ interface: 'eth0', count: 40, size: 100 })
    await send({ interface: format === 'pcap' ? 'eth0' : 'eth1', count: 20, size: 1400, label: 2 })
    await within(ended, 'dumpcap to have its packets')
    const ours = await readByRingtap(path)
    t.equal(ours.length, 60)
    t.strictSame(ours, readByTshark(path))
    t.match(describe(path), { packets: 60, bytes: 40 * 100 + 20 * 1400 })
    await using file = await openFile(path, { keep: { blocks: ['interfaceStatistics'] } })
    for await (const chunk of file) t.ok(chunk.packetCount > 0)
    if (format === 'pcap') return
    t.strictSame(
      file.interfaces.map(({ name, filter }) => [name, filter]),
      [
        ['eth0', 'udp'],
        ['eth1', 'udp'],
      ],
    )
    t.match(file.sections, [{ comments: ['by dumpcap'], application: /^Dumpcap/ }])
    t.strictSame(
      file.blocks.map(({ kind, interfaceId }) => [kind, interfaceId]),
      [
        ['interfaceStatistics', 0],
        ['interfaceStatistics', 1],
      ],
    )
  })
}
