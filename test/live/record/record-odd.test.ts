/** Recordings of several rings and of other kinds of devices, and recordings whose folder is moved or worker ends. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Capture, type CaptureError } from 'ringtap'
import { hex } from '../../helpers/hex.js'
import { range } from '../../helpers/range.js'
import { hiddenIn, TestFolder } from '../../helpers/test-folder.js'
import { bytesOf, describe, dissect, numbersIn, statisticsIn } from '../../helpers/wireshark.js'
import { datagramNumber, datagrams } from '../support/datagrams.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { settle } from '../support/process.js'
import { recorded } from '../support/recorded.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { tool } from '../support/tools.js'
import { patience, waitUntil } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)

t.test('with two rings each packet is recorded once', async (t) => {
  const path = folder.fresh()
  const open = { interfaces: ['eth0', 'far0'], ring: { count: 2 } }
  const { packets, files, stats, ledger, wrong } = await recorded(open, { path, rotate: { packets: 7999 } }, () =>
    send({ interface: 'eth0', count: 10_000, size: 200, flows: 64, rate: 50_000 }),
  )
  t.same(wrong, [])
  t.equal(ledger.ring.count, 2)
  t.match(stats, { packets: 20_000, dropped: 0, files: 3 })
  t.equal(packets.length, 20_000)
  t.same(
    files.map((file) => [file.packets, describe(file.path).packets]),
    [7999, 7999, 4002].map((packets) => [packets, packets]),
  )
  const all = files.flatMap(({ path, firstTimestamp, lastTimestamp }, i) => {
    const data = bytesOf(path)
    const packets = dissect(path)
    const times = packets.map(({ timestamp }) => timestamp).sort((a, b) => (a < b ? -1 : 1))
    t.same([firstTimestamp, lastTimestamp], [times[0], times.at(-1)], `the times of file ${i}`)
    return packets.map((packet, i) => ({ name: packet.interface, number: sequenceOf(data[i] as Uint8Array) as number }))
  })
  for (const name of ['eth0', 'far0']) {
    const numbers = all.filter((packet) => packet.name === name).map(({ number }) => number)
    t.same(
      numbers.sort((a, b) => a - b),
      range(0, 10_000),
      `each once on ${name}`,
    )
  }
})

t.test('a netfilter log group is recorded with its link type', async (t) => {
  const { status, stderr } = spawnSync(tool('nflog_rule'), ['7'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  for (const format of ['pcapng', 'pcap'] as const) {
    const path = folder.fresh(format)
    const { packets, stats, wrong } = await recorded(
      { backend: 'pcap', interfaces: 'nflog:7' },
      { path, format },
      async (capture) => {
        await datagrams(0, 500)
        // Each datagram causes an ICMP reply, which quotes it; the kernel buffers logged packets for up to a second.
        await waitUntil(
          () => capture.stats().received === 1000,
          'the packets',
          20_000,
          () => capture.stats().received,
        )
      },
    )
    t.same(wrong, [])
    t.match(stats, { packets: 1000, dropped: 0, otherLinkType: 0 })
    const data = bytesOf(path)
    t.same(
      data.map(hex),
      packets.map((packet) => hex(packet.data)),
    )
    t.same(
      data.map((bytes) => datagramNumber(bytes) ?? Number.NaN).sort((a, b) => a - b),
      range(0, 1000).map((i) => Math.floor(i / 2)),
    )
    const { text, packets: told } = describe(path)
    t.equal(told, 1000)
    t.match(text, /File encapsulation: +.*NFLOG/i)
    if (format === 'pcap') continue
    t.match(text, 'Name = nflog:7')
    const inFile = dissect(path)
    t.same([...new Set(inFile.map(({ interface: name, direction }) => `${name} ${direction}`))], ['nflog:7 undefined'])
    t.same(
      inFile.map(({ timestamp }) => timestamp),
      packets.map(({ timestamp }) => timestamp),
    )
    t.same(statisticsIn(path), [{ received: 1000, dropped: 0, bySystem: 0, delivered: 1000 }])
  }
  const path = folder.fresh()
  const { stats } = await recorded({ backend: 'pcap', interfaces: ['eth0', 'nflog:7'] }, { path }, async (capture) => {
    sendSync({ interface: 'eth0', count: 20 })
    await datagrams(0, 10)
    await waitUntil(
      () => capture.stats().received === 40,
      'the packets',
      20_000,
      () => capture.stats().received,
    )
  })
  t.equal(stats.packets, 40)
  t.same(
    dissect(path)
      .map((packet) => packet.interface)
      .sort(),
    [...Array(20).fill('eth0'), ...Array(20).fill('nflog:7')],
    'beside Ethernet',
  )
  await using both = await Capture.open({ backend: 'pcap', interfaces: ['eth0', 'nflog:7'] })
  await t.rejects(both.record({ path: folder.fresh('pcap'), format: 'pcap' }), {
    code: 'ERR_OPTION',
    message: /nflog:7 239/,
  })
  await both.close()
})

for (const rotate of [undefined, { packets: 50 }]) {
  t.test(
    `moving the folder away fails the recording and keeps the file${rotate ? ', also at a rotation' : ''}`,
    async (t) => {
      const here = mkdtempSync(folder.file('here-'))
      const there = `${here}-moved`
      await using capture = await Capture.open({ interfaces: 'eth0' })
      const recording = await capture.record({ path: join(here, 'a.pcapng'), ...(rotate ? { rotate } : {}) })
      const errors: CaptureError[] = []
      recording.on('error', (error) => errors.push(error))
      sendSync({ interface: 'eth0', count: 30 })
      await waitUntil(() => recording.stats().packets === 30, 'packets in the file')
      renameSync(here, there)
      sendSync({ interface: 'eth0', count: 30, start: 30 })
      if (rotate) await waitUntil(() => errors.length > 0, 'the error')
      await t.rejects(recording.stop(), { code: 'ERR_SYSTEM', errno: 2, syscall: 'rename', message: /a.*\.pcapng/ })
      t.equal(errors.length, 1)
      const { packets, dropped, files } = recording.stats()
      t.same([packets, dropped, files], rotate ? [50, 10, 0] : [60, 0, 0])
      const left = hiddenIn(there)
      t.equal(left.length, 1, 'the file stands under its hidden name')
      t.same(numbersIn(join(there, left[0] as string)), range(0, packets), 'and is whole')
      sendSync({ interface: 'eth0', count: 5 })
      await capture.stop()
      let later = 0
      for await (const chunk of capture) later += chunk.packetCount
      t.equal(later, 5, 'the capture goes on')
      t.same(imbalances(capture.stats()), [])
      await capture.close()
    },
  )
}

t.test('a worker that is terminated while it records completes the file', async (t) => {
  const threads = (await settle()).threads
  for (const backend of ['ring', 'pcap'] as const) {
    for (const i of range(0, 2)) {
      const path = folder.fresh()
      const code = `
        import { Capture } from '${import.meta.resolve('ringtap')}'
        import { parentPort } from 'node:worker_threads'
        const capture = await Capture.open({ backend: '${backend}', interfaces: 'eth0' })
        const recording = await capture.record({ path: ${JSON.stringify(path)} })
        ${i % 2 === 0 ? '' : 'const kept = []; void (async () => { for await (const chunk of capture) kept.push(chunk.packetCount) })()'}
        const look = setInterval(() => {
          if (recording.stats().packets < 500) return
          clearInterval(look)
          parentPort.postMessage('recording')
        }, 1)`
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { execArgv: [] })
      t.teardown(() => worker.terminate())
      worker.on('error', (error) => t.fail(error.message))
      const begun = new Promise((resolve) => worker.once('message', resolve))
      const ended = { traffic: false }
      const traffic = (async () => {
        for (let start = 0; !ended.traffic; start += 500) {
          await send({ interface: 'eth0', count: 500, start, rate: 50_000 })
        }
      })()
      await begun
      await worker.terminate()
      ended.traffic = true
      await traffic
      const numbers = numbersIn(path)
      t.ok(numbers.length >= 500)
      const first = numbers[0] as number
      t.same(numbers, range(first, first + numbers.length), `${backend}: without a gap`)
      t.equal(describe(path).packets, numbers.length)
    }
  }
  t.same(folder.hidden(), [])
  t.equal((await settle()).threads, threads)
})
