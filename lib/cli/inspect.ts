// Commands that look without capturing: interfaces, patterns, filters, bytes.
import { createReadStream } from 'node:fs'
import {
  compileFilter,
  explainSelection,
  hexdump,
  type InterfaceEvent,
  listInterfaces,
  type NetworkInterface,
  type Peer,
  watchInterfaces,
} from '../index.js'
import { exactly } from './interface-names.js'
import { onInterrupt } from './interrupt.js'
import { whenOutputCloses, write } from './output.js'
import { ownerOf, peersOf } from './peers.js'
import { inFlags, UsageError } from './report-error.js'
import { oneLine, table, wantsColor, withFixedColors } from './terminal.js'

/** `ringtap interfaces`: those of this namespace, or their changes as they happen. */
export async function interfacesCommand(options: { watch?: boolean; json?: boolean; netns?: string }): Promise<void> {
  const where = options.netns ? { netns: options.netns } : {}
  if (options.watch) return watchCommand(where, options.json ?? false)
  const all = listInterfaces(where)
  const peers = await peersOf(all, options.netns)
  if (options.json) return write(all.map((one) => `${jsonOf(one, peers.get(one.index))}\n`).join(''))
  const title = ['index', 'name', 'kind', 'state', 'MTU', 'link address']
  const rows = all.map((one) => {
    const cells = row(one)
    return peers.size === 0 ? cells : cells.toSpliced(-1, 0, peerText(peers.get(one.index)))
  })
  await write(table([[...title, ...(peers.size === 0 ? [] : ['far end']), 'addresses'], ...rows]))
}

/** `eth0 of web`: the name of the far end, and whose it is. */
function peerText(peer: Peer | undefined): string {
  if (peer === undefined) return '-'
  const owner = ownerOf(peer)
  const name = peer.name === undefined ? `index ${peer.index}` : oneLine(peer.name)
  return owner === undefined ? name : `${name} of ${owner}`
}

function jsonOf(one: NetworkInterface, peer: Peer | undefined): string {
  if (peer === undefined) return JSON.stringify(one)
  const { interface: _, ...rest } = peer
  return JSON.stringify({ ...JSON.parse(JSON.stringify(one)), peer: rest })
}

function row(one: NetworkInterface): (string | number)[] {
  const addresses = one.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  const kind = one.kind ?? (one.loopback ? 'loopback' : 'device')
  return [one.index, oneLine(one.name), kind, stateOf(one), one.mtu, one.address ?? '-', addresses.join(' ')]
}

const stateOf = (one: NetworkInterface) => (one.running ? 'up' : one.up ? 'no carrier' : 'down')

async function watchCommand(where: { netns?: string }, json: boolean): Promise<void> {
  const watcher = watchInterfaces({ ...where, initial: true })
  const stop = () => void watcher.close()
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    for await (const event of watcher) await write(json ? `${JSON.stringify(event)}\n` : `${eventText(event)}\n`)
  } finally {
    for (const end of ends) end()
    await watcher.close()
  }
}

function eventText({ type, interface: one, previous }: InterfaceEvent): string {
  const time = new Date().toTimeString().slice(0, 8)
  const from = type === 'renamed' ? ` from ${oneLine(previous.name)}` : ''
  const [, , kind, state, mtu, address, addresses] = row(one)
  const details = type === 'removed' ? '' : `  ${kind}, ${state}, MTU ${mtu}, ${address} ${addresses}`
  return `${time} ${type.padEnd(7)} ${oneLine(one.name)} (${one.index})${from}${details}`.trimEnd()
}

/** `ringtap explain`: which pattern decides on each interface. */
export async function explainCommand(
  patterns: string[],
  options: { exclude?: string[]; loopback?: boolean; json?: boolean },
): Promise<void> {
  const devices = listInterfaces()
  const rules = {
    include: patterns.map((pattern) => exactly(pattern, devices)),
    exclude: options.exclude?.map((pattern) => exactly(pattern, devices)),
    loopback: options.loopback,
  }
  const found = devices.map((one) => ({ name: one.name, ...explainSelection(one, rules) }))
  if (options.json) await write(found.map((one) => `${JSON.stringify(one)}\n`).join(''))
  else await write(table(found.map((one) => [one.selected ? '+' : '-', oneLine(one.name), inFlags(one.text)])))
}

/** `ringtap filter`: the program that a filter compiles to, as `tcpdump -d` lists it. */
export async function filterCommand(
  words: string[],
  options: { format?: 'assembly' | 'c' | 'decimal'; linkType?: number; live?: boolean; snapshotLength?: number },
): Promise<void> {
  const filter = await compileFilter(words.join(' '), {
    linkType: options.linkType,
    snapshotLength: options.snapshotLength,
    source: options.live ? 'live' : 'savefile',
  })
  const text = filter.format(options.format ?? 'assembly')
  await write(text.endsWith('\n') ? text : `${text}\n`)
}

/** `ringtap hexdump`: as `hexdump -C`, with colours on a terminal. */
export async function hexdumpCommand(
  file: string,
  options: { length?: number; skip?: number; squeeze: boolean },
): Promise<void> {
  const skip = options.skip ?? 0
  const source = file === '-' ? process.stdin : createReadStream(file)
  const color = wantsColor(process.stdout)
  const parts: Buffer[] = []
  let left = options.length ?? Number.POSITIVE_INFINITY
  let position = 0
  for await (const piece of source as AsyncIterable<Buffer>) {
    const from = Math.max(0, skip - position)
    position += piece.length
    if (from >= piece.length) continue
    const part = piece.subarray(from, from + left)
    left -= part.length
    parts.push(part)
    if (parts.reduce((sum, one) => sum + one.length, 0) > maxDump)
      throw new UsageError(`a dump is limited to ${maxDump} bytes; choose a part with -s and -n`)
    if (left <= 0) break
  }
  const bytes = Buffer.concat(parts)
  if (bytes.length === 0) return
  // In one dump, because the last line is only an offset and repeated lines are left out.
  const dump = hexdump(bytes, { offset: skip, color, squeeze: options.squeeze })
  const text = color ? withFixedColors(dump) : dump
  for (let i = 0; i < text.length; i += pieceSize) await write(text.slice(i, i + pieceSize))
  if (!text.endsWith('\n')) await write('\n')
}

/** Characters written at once. */
const pieceSize = 1 << 18
/** A string of V8 has room for about five times as many bytes in lines. */
const maxDump = 64 << 20
