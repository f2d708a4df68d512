// The memory layouts and the numbers shared by C++ and TypeScript: TypeScript defines them as literals, which are compared
// here with the values compiled into the addon.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import t from 'tap'

type Layout = Record<string, number>

// Not exported: loaded from beside the package's entry point.
const require = createRequire(import.meta.url)
const load = (file: string) => require(fileURLToPath(new URL(file, import.meta.resolve('ringtap'))))
const { nativeExports } = load('./native/native.js') as {
  nativeExports: () => { layouts(): Record<string, Layout> }
}
const rows = load('./native/layouts.js') as Record<string, Layout>
const numbers = load('./native/numbers.js') as Record<string, Layout>
const records = load('./packets/packet-record.js') as Record<string, Layout>
const { causes, TRUNCATED } = load('./send/send-result.js') as { causes: string[]; TRUNCATED: number }

/** Converts FirstTimestamp to FIRST_TIMESTAMP. */
const constant = (name: string) => name.replace(/(?<=[a-z\d])(?=[A-Z])/g, '_').toUpperCase()
/** Converts InterfaceGone to interface-gone. */
const kebab = (name: string) => constant(name).toLowerCase().replaceAll('_', '-')

const { Refusal: refusals = {}, ...layouts } = nativeExports().layouts()

t.test('every layout and every number is the same in C++ and TypeScript', async (t) => {
  const theirs: Record<string, Layout> = {}
  for (const [layout, words] of Object.entries(layouts)) {
    theirs[layout] = Object.fromEntries(Object.entries(words).map(([name, place]) => [constant(name), place]))
  }
  t.strictSame({ ...rows, ...records, ...numbers }, theirs)
})

t.test('the causes of refusals have the same numbers in C++ and TypeScript', async (t) => {
  const theirs = Object.entries(refusals).filter(([name]) => name !== 'None')
  t.strictSame(
    theirs.map(([name, number]) => [kebab(name), number]),
    theirs.map(([, number]) => [causes[number], number]),
  )
  t.equal(causes.length, Math.max(...Object.values(refusals)) + 1)
  t.equal(causes[TRUNCATED], 'truncated')
})
