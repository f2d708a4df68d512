// The memory that the kernel grants a socket's options bounds its filter (socket(7), optmem_max).
import { readFileSync, writeFileSync } from 'node:fs'
import { Capture, type CaptureOptions, type Connection } from 'ringtap'
import t from '../support/live.js'
import { tables } from '../support/tables.js'

const bound = '/proc/sys/net/core/optmem_max'

/** Sets the bound of this network namespace; a reason if this kernel has only one for all. */
function lower(bytes: number): string | false {
  try {
    writeFileSync(bound, String(bytes))
    return readFileSync(bound, 'utf8').trim() !== String(bytes) && 'the bound cannot be lowered'
  } catch (error) {
    return `the bound is not of the namespace on this kernel: ${(error as Error).message}`
  }
}
const impossible = lower(2048)

const connection = (localPort: number): Connection => ({
  protocol: 'tcp',
  localAddress: '10.0.0.1',
  localPort,
  remoteAddress: '10.0.0.2',
  remotePort: 2,
})
const loopback: CaptureOptions = { interfaces: { loopback: true } }
const refusal = { code: 'ERR_FILTER_TOO_LARGE', message: /the kernel has no room for .*net\.core\.optmem_max/ }

t.beforeEach(() => void lower(2048))

t.test('a filter that the kernel has no room for is refused by name', { skip: impossible }, async (t) => {
  const options: CaptureOptions = { ...loopback, ring: { table: 'classic' } }
  await t.rejects(Capture.open({ ...options, excludeConnections: [connection(1)] }), refusal)
})

t.test('so is one that the kernel has no room for later, and the old one stays', { skip: impossible }, async (t) => {
  const capture = await Capture.open({ ...loopback, ring: { table: 'classic' }, excludeConnections: [] })
  t.teardown(() => capture.close())
  await t.rejects(capture.setConnections([connection(1)]), refusal)
  await t.resolves(capture.setConnections([]))
})

const skip = impossible || (tables.find(({ table }) => table === 'ebpf')?.skip ?? false)

t.test('an eBPF filter needs next to no room, whatever its length', { skip }, async (t) => {
  const capture = await Capture.open({
    ...loopback,
    excludeConnections: [connection(1)],
    cutoff: { bytes: 1000 },
    ring: { table: 'ebpf', count: 2 },
  })
  t.teardown(() => capture.close())
  for (let port = 2; port < 20; port++) await capture.setConnections([connection(port)])
  await capture.setFilter('tcp port 80 or udp portrange 1-1000')
  t.equal(capture.stats().ring.table, 'ebpf')
})

t.test('without even that it is refused by name', { skip }, async (t) => {
  lower(64)
  await t.rejects(Capture.open({ ...loopback, ring: { table: 'ebpf' } }), refusal)
  await t.rejects(Capture.open({ ...loopback, cutoff: { bytes: 1000 } }), refusal)
})
