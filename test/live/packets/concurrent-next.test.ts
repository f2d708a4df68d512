// next() called again before it has settled.
import { Capture, type Chunk } from 'ringtap'
import { range } from '../../helpers/range.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send, sequenceOf } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')

function numbersIn(chunk: Chunk): number[] {
  return [...chunk].map(({ data }) => sequenceOf(data) as number)
}

for (const backend of ['ring', 'pcap'] as const) {
  t.test(`${backend}: return() releases every chunk that was delivered, and ends the calls that wait`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', backend })
    const iterator = capture[Symbol.asyncIterator]()
    const chunks: Chunk[] = []
    const numbers: number[] = []
    const calls = range(0, 20).map(async () => {
      const { done, value } = await iterator.next()
      if (done) return
      chunks.push(value)
      numbers.push(...numbersIn(value))
    })
    for (const start of [0, 1, 2]) {
      await send({ interface: 'eth0', count: 1, start })
      await waitUntil(() => numbers.length === start + 1, 'the packet')
    }
    t.notOk(chunks.some(({ released }) => released))
    t.same(await iterator.return?.(), { done: true, value: undefined })
    await Promise.all(calls)
    t.same(
      chunks.map(({ released }) => released),
      [true, true, true],
    )
    t.same(numbers, [0, 1, 2])

    await send({ interface: 'eth0', count: 1, start: 3 })
    for await (const chunk of capture) {
      numbers.push(...numbersIn(chunk))
      break
    }
    t.same(numbers, range(0, 4), 'the next packet waited for the next iteration')
  })

  t.test(`${backend}: a call releases all chunks delivered before it`, async (t) => {
    await using capture = await Capture.open({ interfaces: 'eth0', backend })
    const iterator = capture[Symbol.asyncIterator]()
    const both = [iterator.next(), iterator.next()]
    for (const start of [0, 1]) {
      await send({ interface: 'eth0', count: 1, start })
      await both[start]
    }
    const chunks = (await Promise.all(both)).map(({ value }) => value as Chunk)
    t.same(chunks.flatMap(numbersIn), [0, 1])
    await capture.stop()
    t.same(await iterator.next(), { done: true, value: undefined })
    t.same(
      chunks.map(({ released }) => released),
      [true, true],
    )
  })
}
