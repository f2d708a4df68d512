/** Elements of the page. Texts become text nodes, never markup: names of interfaces may contain anything. */

type Child = Node | string | number | null | undefined | false

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | number | boolean | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...nodes(children))
  return made
}

export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren(...nodes(children))
}

/** Terms and their descriptions. */
export function figures(pairs: readonly (readonly [string, Child])[]): HTMLElement {
  return element(
    'dl',
    { class: 'figures' },
    ...pairs.map(([term, value]) => element('div', {}, element('dt', {}, term), element('dd', {}, value))),
  )
}

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => Child
  /** Whether it is a number, which is set to the right. */
  readonly number?: boolean
}

/** A table that scrolls by itself where it is too wide. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): HTMLElement {
  const kind = (column: Column<Row>) => (column.number ? 'number' : undefined)
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    element(
      'table',
      {},
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          ...columns.map((column) => element('th', { scope: 'col', class: kind(column) }, column.title)),
        ),
      ),
      element(
        'tbody',
        {},
        ...rows.map((row) =>
          element('tr', {}, ...columns.map((column) => element('td', { class: kind(column) }, column.value(row)))),
        ),
      ),
    ),
  )
}

export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no element ${id}`)
  return found as Kind
}

function nodes(children: readonly Child[]): (Node | string)[] {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)))
}
