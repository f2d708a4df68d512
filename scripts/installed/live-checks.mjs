// Live checks of the installed package that run alike under every runtime: `test:runtimes` runs this file in a network
// namespace with the veth pair left, right. Prints a line for each check, and then their number.
//
//   live-checks.mjs FOLDER   FOLDER is for files

import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import {
  Capture,
  CaptureError,
  checkCapture,
  convertFiles,
  inject,
  listInterfaces,
  openFile,
  Packet,
  SavefileWriter,
  watchInterfaces,
} from 'ringtap'

const type = 0x88b5 // an EtherType for experiments: no other program sends it
const filter = `ether proto ${type}`

/** Numbered frames. */
function frames(count, from = 0) {
  return Array.from({ length: count }, (_, i) => {
    const frame = new Uint8Array(60)
    const view = new DataView(frame.buffer)
    frame.fill(0xff, 0, 6)
    frame[6] = 2
    view.setUint16(12, type)
    view.setUint32(14, from + i)
    return frame
  })
}
const numberOf = (packet) => packet.readUInt32BE(14)

function equal(got, expected, what) {
  if (got !== expected) throw new Error(`${what}: ${got}, not ${expected}`)
}

async function send(count, from) {
  const result = await inject('left', frames(count, from))
  equal(result.sent, count, 'sent')
}

/** Captures what is sent to `right`: each frame once. */
async function capture(options, count) {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter, ...options })
  const numbers = []
  await send(count, 0)
  for await (const chunk of session) {
    for (const packet of chunk) numbers.push(numberOf(packet))
    if (numbers.length >= count) await session.stop()
  }
  const stats = session.stats()
  await session.close()
  // The kernel keeps no order if the sender moves from one processor to another.
  numbers.sort((a, b) => a - b)
  equal(numbers.join(), Array.from({ length: count }, (_, i) => i).join(), 'packets')
  equal(Number(stats.delivered), count, 'delivered')
}

const folder = isMainThread ? process.argv[2] : workerData.folder
const file = (name) => path.join(folder, name)

const checks = {
  'what this process may do': () => equal(checkCapture().ok, true, 'checkCapture().ok'),
  interfaces: () => equal(listInterfaces().filter(({ name }) => /^(left|right)$/.test(name)).length, 2, 'interfaces'),
  ring: () => capture({}, 100),
  'libpcap handles': () => capture({ backend: 'pcap' }, 100),
  record: async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    const recording = await session.record({ path: file('recorded.pcapng') })
    await send(50, 0)
    await session.stop()
    const stats = await recording.stop()
    await session.close()
    equal(Number(stats.packets), 50, 'recorded packets')
    equal(statSync(file('recorded.pcapng')).size > 50 * 60, true, 'the file')
  },
  openFile: async () => {
    const numbers = []
    for await (const chunk of await openFile(file('recorded.pcapng')))
      for (const packet of chunk) numbers.push(numberOf(packet))
    numbers.sort((a, b) => a - b)
    equal(numbers.join(), Array.from({ length: 50 }, (_, i) => i).join(), 'packets read')
  },
  'write, gzip and zstd': async () => {
    const writer = await SavefileWriter.open(file('written.pcap'))
    for (let i = 0; i < 20; i++) await writer.write(Packet.from(frames(1, i)[0], { timestamp: BigInt(i) * 1000n }))
    await writer.close()
    const zlib = await import('node:zlib')
    const { writeFileSync } = await import('node:fs')
    const plain = readFileSync(file('written.pcap'))
    writeFileSync(file('written.pcap.gz'), zlib.gzipSync(plain))
    const names = ['written.pcap', 'written.pcap.gz']
    if (zlib.zstdCompressSync) {
      writeFileSync(file('written.pcap.zst'), zlib.zstdCompressSync(plain))
      names.push('written.pcap.zst')
    }
    for (const name of names) {
      let packets = 0
      for await (const chunk of await openFile(file(name))) packets += chunk.packetCount
      equal(packets, 20, name)
    }
  },
  convert: async () => {
    const result = await convertFiles([file('recorded.pcapng'), file('written.pcap')], file('merged.pcapng'))
    equal(result.written, 70, 'written')
  },
  'a filter that is wrong': async () => {
    const error = await Capture.open({ interfaces: 'right', filter: 'no such filter' }).catch((thrown) => thrown)
    equal(error instanceof CaptureError, true, 'a CaptureError')
    equal(error.code, 'ERR_FILTER_SYNTAX', 'its code')
  },
  abort: async () => {
    const controller = new AbortController()
    const session = await Capture.open({ interfaces: 'right', filter, signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    const error = await (async () => {
      for await (const _ of session);
    })().then(
      () => undefined,
      (thrown) => thrown,
    )
    await session.close()
    equal(error?.name, 'AbortError', 'what the loop ends with')
  },
  watch: async () => {
    const watcher = watchInterfaces({ initial: true })
    const names = new Set()
    for await (const event of watcher) {
      names.add(event.interface.name)
      if (names.has('left') && names.has('right')) break
    }
    await watcher.close()
  },
  'views of a released chunk are empty': async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    await send(10, 0)
    const views = []
    let packets = 0
    for await (const chunk of session) {
      for (const packet of chunk) views.push(packet.data)
      packets += chunk.packetCount
      if (packets >= 10) break
    }
    equal(views.length, 10, 'views')
    equal(Math.max(...views.map((view) => view.length)), 0, 'their length')
    await session.close()
  },
  'what is kept stays': async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    await send(10, 0)
    const kept = []
    let packets = 0
    for await (const chunk of session) {
      kept.push(chunk.retain())
      packets += chunk.packetCount
      if (packets >= 10) break
    }
    await session.close()
    const numbers = kept.flatMap((chunk) => Array.from(chunk, numberOf))
    equal(numbers.sort().join(), '0,1,2,3,4,5,6,7,8,9', 'numbers')
  },
  '100 000 packets': async () => {
    const count = 100_000
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    const chunks = session[Symbol.asyncIterator]()
    const seen = new Uint8Array(count)
    let packets = 0
    while (packets < count) {
      // Fewer at once than the processor's queue holds, which veth puts them into (net.core.netdev_max_backlog, 1000).
      await send(500, packets)
      for (const end = packets + 500; packets < end; ) {
        const { value } = await chunks.next()
        value.forEach((packet) => {
          seen[numberOf(packet)]++
          packets++
        })
      }
    }
    await session.close()
    equal(seen.indexOf(0), -1, 'the first that is missing')
    equal(packets, count, 'packets')
  },
  workers: async () => {
    const workers = Array.from(
      { length: 3 },
      () => new Worker(fileURLToPath(import.meta.url), { workerData: { folder, job: 'capture' } }),
    )
    const results = await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      ),
    )
    equal(results.join(), '20,20,20', 'captured in each')
    await Promise.all(workers.map((worker) => worker.terminate()))
  },
  'workers that are terminated': async () => {
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { folder, job: 'forever' } })
      await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      await worker.terminate()
    }
    await capture({}, 10)
  },
}

/** In a worker: captures frames of its own kind, and for ever if it is to be terminated. */
async function work() {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter: 'ether proto 0x88b6' })
  let packets = 0
  if (workerData.job === 'forever') {
    parentPort.postMessage('begun')
    for await (const chunk of session) packets += chunk.packetCount
    return
  }
  // Each worker sees what every worker sends: only the first 20 are counted.
  const frame = frames(1)[0]
  frame[13] = 0xb6
  await inject(
    'left',
    Array.from({ length: 20 }, () => frame),
  )
  for await (const chunk of session) {
    packets += chunk.packetCount
    if (packets >= 20) break
  }
  await session.close()
  parentPort.postMessage(Math.min(packets, 20))
}

if (isMainThread) {
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    let timer
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('takes longer than 180 s')), 180_000)
      })
      await Promise.race([check(), late])
      console.log(`ok ${name}`)
    } catch (error) {
      failed++
      console.log(`not ok ${name}: ${error.stack ?? error}`)
    }
    clearTimeout(timer)
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`)
  process.exit(failed > 0 ? 1 : 0)
} else {
  await work()
}
