import { styleText } from 'node:util'

/** Whether to use colours: on a terminal, unless NO_COLOR (https://no-color.org) is set. */
export const color = process.stdout.isTTY === true && !process.env['NO_COLOR']

/** The text in a colour or weight, where colours are used. */
export function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return color ? styleText(style, text) : text
}

/**
 * Rows as aligned columns, indented.
 *
 * @param right Columns aligned to the right, by number. Default: all but the first.
 */
export function table(rows: readonly (readonly string[])[], right?: readonly number[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const align = (cell: string, i: number) => {
    const width = widths[i] ?? 0
    return (right ? right.includes(i) : i > 0) ? cell.padStart(width) : cell.padEnd(width)
  }
  return rows.map((row) => `  ${row.map(align).join('  ')}`.trimEnd()).join('\n')
}
