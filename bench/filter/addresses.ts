// Address sets: the cost of opening a capture with them, and the cost per packet.
//
//   node dist/work/bench/filter/addresses.js [--trials N] [--markdown]
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressSpec } from '../support/address-list.js'
import { ConsumerProcess, type Who } from '../support/consumer-process.js'
import { FilterCost } from '../support/filter-cost.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { addWire, enterStage } from '../support/stage.js'
import { figure, printTable } from '../support/table.js'
import { median } from '../support/trial.js'

/** Packets per measurement, and packets per second. */
const count = 400_000
const rate = 200_000
/** Packets sent first and not measured: they warm up the JIT compiler. */
const warmUp = 200_000

interface Contestant {
  name: string
  addresses?: AddressSpec
  /** Measures opening only. */
  openOnly?: boolean
  missing?: undefined
}

interface Sample {
  /** Milliseconds from opening until it receives. */
  open: number
  /** Nanoseconds spent in the filter per packet; NaN in the classic mode, for which the kernel keeps no statistics. */
  filter: number
  /** Nanoseconds of processor time per packet on the whole machine, including the sender and the kernel. */
  all: number
  /** The same for the consumer's process only. */
  own: number
}

const excluding = (of: AddressSpec['of'], many: number, table?: 'classic'): Contestant => ({
  name: `${many} ${of === 'networks' ? 'networks' : `hosts, ${of}`}${table ? ', classic mode' : ''}`,
  addresses: { count: many, of, as: 'excludeHosts', table },
})
const filtering = (many: number): Contestant => ({
  name: `${many} hosts, IPv4, as a pcap filter`,
  addresses: { count: many, of: 'IPv4', as: 'filter' },
  openOnly: true,
})
const everybody: Contestant[] = [
  { name: 'no set' },
  excluding('IPv4', 10_000),
  excluding('IPv6', 10_000),
  excluding('networks', 10_000),
  excluding('IPv4', 100_000),
  excluding('IPv4', 1000, 'classic'),
  ...[50, 100, 200].map(filtering),
].filter(({ name }) => name.includes(options.only))

/** Nanoseconds of non-idle processor time since boot. */
function busy(): number {
  const times = (/^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? '').split(' ').map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = times
  return (user + nice + system + irq + softirq) * 1e7 // USER_HZ is 100
}

await enterStage(import.meta.url)
const wire = await addWire()
const cost = await FilterCost.start()

async function trial({ addresses, openOnly }: Contestant): Promise<Sample> {
  const who: Who = { spec: { who: 'ringtap', visit: 'lengths', addresses } }
  const consumer = await ConsumerProcess.start(who, [wire.near])
  const open = consumer.openSeconds * 1000
  try {
    if (openOnly) return { open, filter: Number.NaN, all: Number.NaN, own: Number.NaN }
    await wire.send(warmUp, rate)
    await sleep(200)
    await consumer.mark()
    await cost.mark()
    const before = busy()
    const { arrived } = await wire.send(count, rate)
    await sleep(200)
    const all = busy() - before
    const filter = addresses?.table === 'classic' ? Number.NaN : await cost.perRun()
    const { packets, cpu } = await consumer.report()
    if (packets !== arrived) throw new Error(`${packets} packets delivered of ${arrived} that arrived`)
    return { open, filter, all: all / packets, own: (cpu / packets) * 1e9 }
  } finally {
    await consumer.end()
  }
}

const rows = await takeTurns(everybody, trial)
cost.end()

type Row = (typeof rows)[number]
const middle = (row: Row | undefined, of: keyof Sample) => median((row?.samples ?? []).map((sample) => sample[of]))
const without = rows.find(({ addresses }) => !addresses)
const more = (row: Row, of: keyof Sample, digits: number) => {
  const value = middle(row, of) - middle(without, of)
  return Number.isFinite(value) ? value.toFixed(digits) : '-'
}
const notTold = cost.missing === undefined ? '' : ` (in the filter: the kernel does not tell: ${cost.missing})`
printTable(
  `Addresses to exclude: until it receives; and ${count} frames at ${rate} a second, none of them from or to one; median of ${options.trials} processes${notTold}`,
  [
    'excluded',
    'open ms',
    'more',
    'ns/packet in the filter',
    'more',
    '×',
    'CPU ns/packet, machine',
    'more',
    'consumer',
    '',
  ],
  rows.map((row) => [
    row.name,
    figure(middle(row, 'open')),
    more(row, 'open', 1),
    figure(middle(row, 'filter')),
    more(row, 'filter', 0),
    figure(middle(row, 'filter') / middle(without, 'filter')),
    figure(middle(row, 'all')),
    more(row, 'all', 0),
    figure(middle(row, 'own')),
    row.note,
  ]),
)
