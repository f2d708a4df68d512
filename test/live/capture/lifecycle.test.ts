import { Worker } from 'node:worker_threads'
import { Capture, type CaptureError, type Chunk, type Packet } from 'ringtap'
import { captureDuring } from '../support/collect.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { oneChunk } from '../support/one-chunk.js'
import { descriptors, holdings, settle, waitUntilAsleep } from '../support/process.js'
import { sendSync, sequenceOf } from '../support/send.js'
import { patience, sleep } from '../support/wait.js'
import { backends } from '../support/ways.js'

t.setTimeout(300_000 * patience)
addVeth('eth0', 'far0')

/** Resources that must be the same before and after. */
async function held() {
  const { threads, rings } = await settle()
  // Files are excluded: a worker terminated while it loads modules leaves some open (a leak of Node's).
  return {
    threads,
    rings,
    descriptors: descriptors()
      .filter((what) => !what.startsWith('/'))
      .sort(),
  }
}

for (const backend of backends) {
  for (const copy of [false, true]) {
    const how = copy ? 'copies' : 'lent'

    t.test(`a view kept after release is empty (${how}), ${backend}`, async (t) => {
      await using capture = await Capture.open({ backend, interfaces: 'eth0', chunk: { copy } })
      const chunk = await oneChunk(capture, 3)
      const packets = [...chunk]
      const packet = packets[0] as Packet
      const view = packet.data
      const unread = packets[1] as Packet
      t.equal(sequenceOf(view), 0)
      t.equal(view, packet.data, 'one view a packet')
      const owned = packet.copy()
      const retained = chunk.retain()

      chunk.release()
      t.equal(view.length, 0, 'the view that was there')
      t.equal(packet.data.length, 0)
      t.equal(unread.data.length, 0, 'and one asked for later')
      t.equal(chunk.released, true)
      for (const name of [
        'timestamp',
        'interface',
        'capturedLength',
        'originalLength',
        'direction',
        'vlan',
        'kind',
        'linkType',
        'checksumPending',
        'checksumVerified',
      ] as const) {
        t.throws(() => packet[name], { code: 'ERR_RELEASED' }, name)
      }
      t.throws(() => packet.copy(), { code: 'ERR_RELEASED' })
      t.throws(() => chunk.forEach(() => {}), { code: 'ERR_RELEASED' })
      t.throws(() => [...chunk], { code: 'ERR_RELEASED' })
      t.throws(() => chunk.retain(), { code: 'ERR_RELEASED' })
      t.doesNotThrow(() => chunk.release(), 'again')

      // Fill the ring several times.
      for (let i = 0; i < 3; i++) {
        const other = await oneChunk(capture, 100)
        t.equal(view.length, 0, 'never another packet')
        other.release()
      }
      t.equal(sequenceOf(owned.data), 0, 'a copy stays')
      t.equal(owned.interface.name, 'eth0')
      t.equal(owned.direction, backend === 'pcap' ? undefined : 'out')
      t.same(
        [...retained].map((one) => sequenceOf(one.data)),
        [0, 1, 2],
        'what was retained stays',
      )
      t.equal(retained.packetCount, 3)
      retained.release()
      t.equal(retained.released, true)
    })
  }

  t.test(`the loop releases a chunk when it takes the next, ${backend}`, async (t) => {
    await using capture = await Capture.open({ backend, interfaces: 'eth0' })
    const kept: Chunk[] = []
    sendSync({ interface: 'eth0', count: 1 })
    for await (const chunk of capture) {
      t.equal(kept.at(-1)?.released ?? true, true)
      kept.push(chunk)
      if (kept.length === 3) break
      sendSync({ interface: 'eth0', count: 1 })
    }
    t.equal(kept.at(-1)?.released, true, 'and when it is left')
    sendSync({ interface: 'eth0', count: 2 })
    let more = 0
    for await (const chunk of capture) {
      more += chunk.packetCount
      if (more >= 2) break
    }
    t.equal(more, 2, 'leaving the loop does not end the capture')
  })

  t.test(`packets() delivers packet by packet, ${backend}`, async (t) => {
    await using capture = await Capture.open({ backend, interfaces: 'eth0' })
    sendSync({ interface: 'eth0', count: 10 })
    const numbers: (number | undefined)[] = []
    for await (const packet of capture.packets()) {
      numbers.push(sequenceOf(packet.data))
      if (numbers.length === 10) break
    }
    t.same(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  t.test(`forEach reuses one object and ends if the chunk is released inside, ${backend}`, async (t) => {
    await using capture = await Capture.open({ backend, interfaces: 'eth0' })
    const chunk = await oneChunk(capture, 5)
    const objects = new Set<Packet>()
    const numbers: (number | undefined)[] = []
    chunk.forEach((packet, index) => {
      objects.add(packet)
      t.equal(numbers.push(sequenceOf(packet.data)) - 1, index)
      if (index === 2) chunk.release()
    })
    t.same(numbers, [0, 1, 2])
    t.equal(objects.size, 1)
  })

  t.test(`close on an idle interface returns at once, in any state, any number of times, ${backend}`, async (t) => {
    await using capture = await Capture.open({ backend, interfaces: 'eth0' })
    const reading = (async () => {
      for await (const _ of capture) t.fail('nothing was sent')
    })()
    await waitUntilAsleep('ringtap')
    const first = capture.close()
    t.equal(capture.close(), first)
    await first
    await reading
    await capture.close()
    for await (const _ of capture) t.fail('closed')
    t.equal(capture.stats().delivered, 0, 'the ledger can still be read')
    t.equal((await capture.stop()).delivered, 0)
  })

  t.test(`close releases lent chunks, ${backend}`, async (t) => {
    await using capture = await Capture.open({ backend, interfaces: 'eth0' })
    const chunk = await oneChunk(capture, 3)
    const [packet] = chunk
    const view = packet?.data
    await capture.close()
    t.equal(view?.length, 0)
    t.equal(chunk.released, true)
    t.equal(holdings().rings, 0, 'and the ring is unmapped')
  })

  t.test(`stop delivers everything from before it, ${backend}`, async (t) => {
    const { packets, stats } = await captureDuring({ backend, interfaces: 'eth0' }, () => {
      sendSync({ interface: 'eth0', count: 5000 })
    })
    t.equal(packets.length, 5000)
    t.equal(stats.received, 5000)
  })

  t.test(`an abort closes the capture and rejects with its reason, ${backend}`, async (t) => {
    const reason = new Error('enough')
    await t.rejects(Capture.open({ backend, interfaces: 'eth0', signal: AbortSignal.abort(reason) }), reason, 'before')
    const controller = new AbortController()
    await using capture = await Capture.open({ backend, interfaces: 'eth0', signal: controller.signal })
    const reading = (async () => {
      for await (const _ of capture);
    })()
    setImmediate(() => controller.abort(reason))
    await t.rejects(reading, reason, 'during')
    await capture.close()

    const late = new AbortController()
    const opening = Capture.open({ backend, interfaces: 'eth0', signal: late.signal })
    late.abort(reason)
    await t.rejects(opening, reason, 'while it opens')
    t.equal(holdings().rings, 0)
  })

  t.test(`a signal that cannot be listened to ends the opening, and leaves no timer behind, ${backend}`, async (t) => {
    const reason = new Error('no listeners')
    const signal = {
      aborted: false,
      addEventListener() {
        throw reason
      },
      removeEventListener() {},
    } as unknown as AbortSignal
    // With this window the losses are looked for every 20 ms.
    await t.rejects(Capture.open({ backend, interfaces: 'eth0', signal, loss: { window: 100 } }), reason)
    t.equal(holdings().rings, 0)
    await sleep(200) // a timer would throw: the capture is closed
  })

  t.test(`a worker can be terminated while it captures, ${backend}`, async (t) => {
    const code = `
      import { Capture } from 'ringtap'
      import { parentPort } from 'node:worker_threads'
      const capture = await Capture.open({ interfaces: { include: '^eth', hotplug: true }, backend: '${backend}', ring: { memory: 16 << 20 } })
      parentPort.postMessage('open')
      for await (const chunk of capture) { globalThis.held = [...chunk.retain(), ...chunk]; parentPort.postMessage('chunk') }`
    const url = new URL(
      `data:text/javascript,${encodeURIComponent(code.replace("'ringtap'", `'${import.meta.resolve('ringtap')}'`))}`,
    )
    let before: unknown
    for (let i = 0; i < 6; i++) {
      if (i === 1) before = await held() // the first worker allocates what Node keeps for workers
      const worker = new Worker(url, { execArgv: [] })
      t.teardown(() => worker.terminate())
      await new Promise<void>((resolve, reject) => {
        worker.on('error', reject)
        worker.on('message', (text) => {
          if (text === 'open') {
            if (i % 2 === 0) resolve()
            else sendSync({ interface: 'eth0', count: 10 })
          } else resolve()
        })
      })
      await worker.terminate()
    }
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(url, { execArgv: [] })
      t.teardown(() => worker.terminate())
      worker.on('error', (error) => t.fail(error.message))
      await sleep(i * 5) // no condition: at any moment while it opens
      await worker.terminate()
    }
    t.same(await held(), before)
  })

  t.test(`a worker can be terminated during any call, ${backend}`, async (t) => {
    const code = `
      import { Capture, compileFilter, listInterfaces } from '${import.meta.resolve('ringtap')}'
      import { parentPort } from 'node:worker_threads'
      const capture = await Capture.open({ interfaces: 'eth0', backend: '${backend}', chunk: { copy: true }, ring: { memory: 16 << 20 } })
      const filter = await compileFilter('ip')
      ;(async () => { for await (const chunk of capture) globalThis.held = [...chunk.retain(), ...chunk] })()
      parentPort.postMessage('open')
      for (;;) {
        capture.stats()
        filter.matches(new Uint8Array(60))
        filter.instructions
        filter.listing
        listInterfaces()
        await new Promise((resolve) => setImmediate(resolve))
      }`
    const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(url, { execArgv: [] })
      t.teardown(() => worker.terminate())
      worker.on('error', (error) => t.fail(error.message))
      await new Promise((resolve) => worker.on('message', resolve))
      sendSync({ interface: 'eth0', count: 10 })
      await sleep(i % 5) // no condition: at any moment
      await worker.terminate()
    }
    t.equal(holdings().rings, 0)
  })
}

t.test('a failed open leaves nothing open', async (t) => {
  const before = await held()
  const fails = async (options: unknown, code: string, text: RegExp) => {
    const error = (await Capture.open(options as object).then(
      () => undefined,
      (error: unknown) => error,
    )) as CaptureError
    t.match(error, { code, message: text, name: 'CaptureError' }, `${JSON.stringify(options)}: ${error?.message}`)
  }
  await fails({ interfaces: 'eth9', backend: 'pcap' }, 'ERR_NO_INTERFACE', /eth9.*eth0/s)
  await fails({ interfaces: ['eth0', 'eth9'], backend: 'pcap' }, 'ERR_NO_INTERFACE', /eth9/)
  await fails({ interfaces: 'eth0', filter: 'port eighty', backend: 'pcap' }, 'ERR_FILTER_SYNTAX', /eighty/)
  await fails({ interfaces: 'eth9' }, 'ERR_NO_INTERFACE', /eth9.*eth0/s)
  await fails({ interfaces: ['eth0', 'eth9'] }, 'ERR_NO_INTERFACE', /eth9/)
  await fails({ interfaces: { include: '^wlan' } }, 'ERR_NO_INTERFACE', /\^wlan/)
  await fails({ interfaces: { include: '(' } }, 'ERR_PATTERN', /include/)
  await fails({ interfaces: 'eth0', filter: 'port eighty' }, 'ERR_FILTER_SYNTAX', /eighty/)
  await fails({ interfaces: 'eth0', ring: { memory: 5 } }, 'ERR_OPTION', /ring\.memory/)
  t.same(await held(), before)
})
