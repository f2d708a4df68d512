import { bar, duration, fit, grouped, metric, type Paint, quantity } from './terminal.js'
import type { Grouping, Order, Others, Row } from './top-counts.js'

/** What `ringtap top` shows. */
export interface TopState {
  /** The interfaces, or the file. */
  readonly source: string
  readonly by: Grouping
  readonly order: Order
  readonly rows: readonly Row[]
  readonly others: Readonly<Others>
  readonly packets: number
  readonly bytes: number
  readonly packetsPerSecond: number
  readonly bytesPerSecond: number
  readonly notIp: number
  /** Seconds since the beginning, of a file those that it covers. */
  readonly seconds: number
  /** Packets lost; `undefined` of a file. */
  readonly lost: number | undefined
  /** The part of a file that has been read, 0 to 1. */
  readonly share: number | undefined
  readonly paused: boolean
  readonly message: string | undefined
}

const titles: Record<Grouping, string> = {
  flow: 'FLOW',
  host: 'HOST',
  port: 'PORT',
  interface: 'INTERFACE',
  container: 'CONTAINER',
  process: 'PROCESS',
}
const outTitles: Record<Grouping, string> = {
  flow: 'OUT',
  host: 'SENT',
  port: 'SENT',
  interface: 'SENT',
  container: 'SENT',
  process: 'SENT',
}
const inTitles: Record<Grouping, string> = {
  flow: 'BACK',
  host: 'RECEIVED',
  port: 'RECEIVED',
  interface: 'RECEIVED',
  container: 'RECEIVED',
  process: 'RECEIVED',
}

/** From this width on, the bytes of both directions are shown. */
const wide = 110

/** The lines of a screen, at most as many as it has; `scroll` rows are left out. */
export function screenLines(state: TopState, columns: number, rows: number, scroll: number, paint: Paint): string[] {
  const keys = 'q quit  g group  s sort  space pause  c clear  arrows scroll'
  const head = [paint.bold(fit(headLine(state), columns)), fit(sumLine(state), columns), '']
  const room = Math.max(0, rows - head.length - 2)
  const foot = state.message ?? `${keys}${restText(state, scroll, room)}`
  const lines = rowLines(state, columns, scroll, room, paint)
  const padding = Array.from({ length: Math.max(0, room + 1 - lines.length) }, () => '')
  return [...head, ...lines, ...padding, paint.dim(fit(foot, columns))].slice(0, rows)
}

function headLine(state: TopState): string {
  const { source, by, order, paused, seconds, share } = state
  const progress = share === undefined ? '' : `  ${bar(share, 10)}`
  return `${paused ? 'PAUSED  ' : ''}by ${by}, sorted by ${order}  ${duration(seconds)}${progress}  ${source}`
}

function sumLine(state: TopState): string {
  const { packets, bytes, packetsPerSecond, bytesPerSecond, lost, notIp, by } = state
  const parts = [
    `${grouped(packets)} packets, ${quantity(bytes, 'B')}`,
    `${metric(packetsPerSecond)} packets/s, ${quantity(bytesPerSecond * 8, 'bit')}/s`,
  ]
  if (lost !== undefined) parts.push(lost === 0 ? 'none lost' : `${grouped(lost)} LOST`)
  if (notIp > 0 && by !== 'interface' && by !== 'container') parts.push(`${grouped(notIp)} not IP`)
  return parts.join(', ')
}

function restText({ rows, others }: TopState, scroll: number, room: number): string {
  const below = Math.max(0, rows.length - scroll - room)
  const more = below > 0 ? `  ${grouped(below)} more` : ''
  return others.rows > 0 ? `${more}  ${grouped(others.rows)} small ones dropped` : more
}

/** The titles, and rows as wide as the screen: the label takes what the numbers leave. */
function rowLines(state: TopState, columns: number, scroll: number, room: number, paint: Paint): string[] {
  const cells = numberCells(state, columns >= wide)
  const shown = state.rows.slice(scroll, scroll + room)
  const numbers = shown.map((row) => cells.map(({ text }) => text(row)))
  // Wide enough for what comes, so that columns do not move.
  const widths = cells.map(({ title }, i) => Math.max(9, title.length, ...numbers.map((line) => line[i]!.length)))
  const labelWidth = Math.max(8, columns - widths.reduce((sum, width) => sum + width + 1, 0))
  const line = (label: string, texts: readonly string[]) =>
    fit(`${fit(label, labelWidth, true)}${texts.map((text, i) => ` ${text.padStart(widths[i]!)}`).join('')}`, columns)
  const title = line(
    titles[state.by],
    cells.map((cell) => cell.title),
  )
  return [paint.inverse(title), ...shown.map((row, i) => line(row.label, numbers[i]!))]
}

interface Cell {
  readonly title: string
  text(row: Row): string
}

function numberCells({ by }: TopState, both: boolean): Cell[] {
  const directions: Cell[] = [
    { title: outTitles[by], text: (row) => quantity(row.bytesOut, 'B') },
    { title: inTitles[by], text: (row) => quantity(row.bytesIn, 'B') },
  ]
  return [
    { title: 'PACKETS', text: (row) => grouped(row.packets) },
    { title: 'BYTES', text: (row) => quantity(row.bytes, 'B') },
    ...(both ? directions : []),
    { title: 'PACKETS/S', text: (row) => metric(row.packetsPerSecond) },
    { title: 'BIT/S', text: (row) => metric(row.bytesPerSecond * 8) },
  ]
}

/** A table for a file or a pipe: two lines about the whole, the largest rows, and an empty line behind them. */
export function plainTable(state: TopState, limit: number): string {
  const shown = state.rows.slice(0, limit)
  const cells = numberCells(state, true)
  const lines = [
    [titles[state.by], ...cells.map(({ title }) => title)],
    ...shown.map((row) => [row.label, ...cells.map(({ text }) => text(row))]),
  ]
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  const text = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  const left = state.rows.length - shown.length + state.others.rows
  const more = left > 0 ? [`${grouped(left)} more`] : []
  return `${[headLine(state), sumLine(state), ...text, ...more].join('\n')}\n\n`
}

/** The same as a line of JSON. */
export function jsonTable(state: TopState, limit: number): string {
  const { by, order, packets, bytes, packetsPerSecond, bytesPerSecond, notIp, seconds, lost } = state
  const rows = state.rows.slice(0, limit).map((row) => ({
    [by]: row.label,
    packets: row.packets,
    bytes: row.bytes,
    bytesOut: row.bytesOut,
    bytesIn: row.bytesIn,
    packetsPerSecond: row.packetsPerSecond,
    bitsPerSecond: row.bytesPerSecond * 8,
  }))
  const sums = { packets, bytes, packetsPerSecond, bitsPerSecond: bytesPerSecond * 8, notIp, lost }
  const left = state.rows.length - rows.length + state.others.rows
  return `${JSON.stringify({ by, sort: order, seconds, ...sums, rows, more: left })}\n`
}
