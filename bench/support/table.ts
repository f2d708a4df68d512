import { options } from './options.js'

/**
 * Prints rows under a title as aligned columns: the first left-aligned, numbers right-aligned. Omits columns with
 * neither a heading nor content.
 */
export function printTable(title: string, heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const used = heads.flatMap((text, i) => (text !== '' || rows.some((row) => row[i]) ? [i] : []))
  const head = used.map((i) => heads[i] ?? '')
  const body = rows.map((row) => used.map((i) => row[i] ?? ''))
  printColumns(title, head, body)
}

function printColumns(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i]?.length ?? 0)))
  const numeric = head.map((_, i) => i > 0 && rows.some((row) => /^[\d.]/.test(row[i] ?? '')))
  const cells = (row: readonly string[]) =>
    head.map((_, i) => (numeric[i] ? (row[i] ?? '').padStart(widths[i] ?? 0) : (row[i] ?? '').padEnd(widths[i] ?? 0)))
  console.log(`\n${options.markdown ? `**${title}**` : title}\n`)
  if (options.markdown) {
    const line = (row: readonly string[]) => console.log(`| ${cells(row).join(' | ')} |`)
    line(head)
    console.log(`|${widths.map((width, i) => `${'-'.repeat(width + 1)}${numeric[i] ? ':' : '-'}`).join('|')}|`)
    for (const row of rows) line(row)
    return
  }
  console.log(cells(head).join('  ').trimEnd())
  console.log(widths.map((width) => '-'.repeat(width)).join('  '))
  for (const row of rows) console.log(cells(row).join('  ').trimEnd())
}

/** Formats a number with three significant digits, or as an integer if it has more digits. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value === 0) return '0'
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
