// A table that grows: the entries of its index move little by little while packets of old and new flows come, and its memory
// is enlarged in place, or copied where it cannot be.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FlowTable } from 'ringtap'
import { test } from 'tap'
import { Datagram, grown } from '../helpers/grown-flows.js'

test('every packet is found by its flow while the table grows', (t) => {
  t.same(grown(150_000), { flows: 150_000, wrong: 0, begun: 150_000 })
  t.end()
})

test('where there is no WebAssembly, too', (t) => {
  const helper = new URL('../helpers/grown-flows.js', import.meta.url)
  const script = `const { grown } = await import(${JSON.stringify(helper)}); console.log(JSON.stringify(grown(40_000)))`
  const args = ['--jitless', '--no-warnings', '--input-type=module', '-e', script]
  const result = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: fileURLToPath(new URL('.', helper)) })
  t.same(JSON.parse(result), { flows: 40_000, wrong: 0, begun: 40_000 })
  t.end()
})

test('flows that end while the table grows leave their places to none but themselves', (t) => {
  const datagram = new Datagram()
  const count = 60_000
  const ended: string[] = []
  const table = new FlowTable({ maxFlows: 20_000, onEnd: ({ sourceIp }) => ended.push(sourceIp) })
  for (let i = 0; i < count; i++) {
    table.add(datagram.of(i))
    // The last 1000 are used again and again, and so are not evicted; those before them are.
    table.add(datagram.of(Math.max(0, i - (i % 1000)), true))
  }
  const { flows, begun, ended: causes } = table.stats()
  t.equal(flows, 20_000)
  t.equal(begun, flows + causes.evicted)
  t.equal(ended.length, causes.evicted)
  const present = new Set([...table.current()].map(({ sourceIp }) => sourceIp))
  t.equal(present.size, 20_000)
  table.end()
  t.equal(ended.length, begun)
  t.equal(table.stats().flows, 0)
  t.end()
})
