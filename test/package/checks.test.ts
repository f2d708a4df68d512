// The project's own checks detect the faults they are written for.
import path from 'node:path'
import t from 'tap'

const script = (name: string) => import(new URL(`../../../../scripts/${name}.mjs`, import.meta.url).href)

interface Api {
  program: unknown
}
interface Names {
  all: Set<string>
  after: Map<string, Set<string>>
}
interface Rules {
  names: Names
  isWord(word: string): boolean
  exists(file: string): boolean
  scripts: string[]
}
const { apiReport, declarationFaults, declarationsOf } = (await script('api-report')) as {
  apiReport(api: Api): string
  declarationFaults(api: Api): string[]
  declarationsOf(entry: string, options: object, extra?: Map<string, string>): Api
}
const { namesOf, faultOf, spansOf, fencesOf, brokenLinks } = (await script('check-docs')) as {
  namesOf(api: Api): Names
  faultOf(code: string, rules: Rules): string | undefined
  spansOf(text: string): { line: number; code: string }[]
  fencesOf(text: string): { line: number; code: string }[]
  brokenLinks(text: string, directory: string, exists: (file: string) => boolean): string[]
}
const { faultsOf } = (await script('check-hygiene')) as { faultsOf(file: string, text: string): string[] }
const { closingLines } = (await script('results')) as {
  closingLines(results: object[], status: number): string[]
}

const { countTap, countCtest } = (await script('run-tests')) as Record<
  'countTap' | 'countCtest',
  (text: string) => Counts
>
interface Counts {
  passed: number
  failed: number
  skipped: number
  files: { name: string; seconds: number }[]
}

const { runTestFile, asSubtest } = (await script('test-file')) as {
  runTestFile(file: string, options?: { env?: object; timeout?: number; grace?: number }): Promise<Result>
  asSubtest(number: number, file: string, result: Result): string
}
interface Result {
  passed: boolean
  output: string
  errors: string
}

const options = { target: 99, module: 99, moduleResolution: 100, strict: true, stripInternal: true, types: [] }

/** An API in two files. */
const library = t.testdir({
  'index.ts': `export { Capture, type Options } from './capture.js'\nexport const limit = 7\n`,
  'capture.ts': `
    /** What is not exported, but can be reached. */
    interface Hidden { depth: number }
    interface Unused { unused: number }
    export interface Options { ring?: { memory?: number }; filter?: string; code?: 'ERR_OPTION' }
    export class Capture {
      static open(options?: Options): Promise<Capture> { return Promise.resolve(new Capture(options)) }
      private secret: Unused | undefined
      #hidden = 1
      /** @internal */ inside(): number { return this.#hidden }
      private constructor(_options?: Options) {}
      stop(): Hidden { return { depth: 1 } }
      close(): void {}
    }`,
})
const api = declarationsOf(path.join(library, 'index.ts'), options)

t.test('the API report lists exports and the types they use, sorted, and nothing private or internal', async (t) => {
  const report = apiReport(api)
  t.equal(
    report.slice(report.indexOf('## Exported')),
    `## Exported

\`\`\`ts
class Capture {
    private constructor();
    close(): void;
    static open(options?: Options): Promise<Capture>;
    stop(): Hidden;
}
\`\`\`

\`\`\`ts
interface Options {
    code?: 'ERR_OPTION';
    filter?: string;
    ring?: {
        memory?: number;
    };
}
\`\`\`

\`\`\`ts
const limit = 7;
\`\`\`

## Not exported, but part of it

\`\`\`ts
interface Hidden {
    depth: number;
}
\`\`\`
`,
  )
})

t.test('a public type made of an internal one is found', async (t) => {
  t.same(declarationFaults(api), [])
  const folder = t.testdir({
    'index.ts': `/** @internal */ export type Inner = { a: number }\nexport type Outer = Omit<Inner, 'a'>\n`,
  })
  const [fault, ...others] = declarationFaults(declarationsOf(path.join(folder, 'index.ts'), options))
  t.match(fault, /index\.d\.ts:1: Cannot find name 'Inner'/)
  t.same(others, [])
})

t.test('names in the documentation that do not exist are found', async (t) => {
  const rules: Rules = {
    names: namesOf(api),
    isWord: (word) => word === 'RINGTAP_PREBUILD',
    exists: (file) => file === 'lib/index.ts',
    scripts: ['build'],
  }
  for (const right of [
    'Capture',
    'Capture.open(options)',
    'await Capture.open({ filter, ring })',
    'capture.stop',
    'capture.stop().depth',
    'ring.memory',
    'filter: null',
    'limit',
    'ERR_OPTION',
    'AbortSignal',
    'console.log()',
    'lib/index.ts',
    'build/Release',
    'npm run build',
    'RINGTAP_PREBUILD',
    'tcpdump',
    'CAP_NET_RAW',
    'packet_rcv()',
  ]) {
    t.equal(faultOf(right, rules), undefined, right)
  }
  for (const [wrong, reason] of [
    ['Captures', 'the API has no Captures'],
    ['Capture.opens(options)', 'the API has no opens after Capture'],
    ['Capture.open({ filters })', 'the API has no option filters'],
    ['capture.memory', 'the API has no memory after capture'],
    ['capture.inside()', 'the API has no inside after capture'],
    ['capture.secret', 'the API has no secret after capture'],
    ['ring.depth', 'the API has no depth after ring'],
    ['ringMemory', 'the API has no ringMemory'],
    ['halt()', 'the API has no halt'],
    ['memories: 1', 'the API has no option memories'],
    ['ERR_OPTIONS', 'CaptureErrorCode has no ERR_OPTIONS'],
    ['lib/indices.ts', 'there is no lib/indices.ts'],
    ['npm run builds', 'package.json has no script "builds"'],
    ['RINGTAP_PREBUILDS', 'nothing reads RINGTAP_PREBUILDS'],
  ] as const) {
    t.equal(faultOf(wrong, rules), reason, wrong)
  }
})

t.test('code spans, code blocks and links of a text are found', async (t) => {
  const text = 'A `one`\n```ts\nconst `two`\n```\nand `three` [a](b.md), [c](https://c.d/), [e](./f.md#g) [h](#i)\n'
  t.strictSame(spansOf(text), [
    { line: 1, code: 'one' },
    { line: 5, code: 'three' },
  ])
  t.strictSame(fencesOf(text), [{ line: 3, language: 'ts', run: false, code: 'const `two`' }])
  t.strictSame(
    brokenLinks(text, 'docs', (file) => file === 'docs/b.md'),
    ['./f.md'],
  )
})

t.test('what must not be in the tree is found', async (t) => {
  const home = ['', 'home', 'somebody', 'ringtap'].join('/')
  t.strictSame(faultsOf('a.ts', `1\nconst path = '${home}'\n`), [`a.ts:2: ${home} is a path of one machine`])
  t.strictSame(faultsOf('a.ts', 'https://example.org/home/page lib/work/a $HOME/home/x\n'), [])
  t.strictSame(faultsOf('a.md', `${'<'.repeat(7)} HEAD\n`), ['a.md:1: a conflict marker'])
  const name = ['kMost', 'Bytes'].join('')
  t.strictSame(faultsOf('a.h', `int ${name};\n`), [`a.h:1: ${name}: maxima and minima are named max and min`])
  t.strictSame(faultsOf('a.h', 'int outermostBytes, mostly;\n'), [])
  t.strictSame(faultsOf('a.md', `${name}\n`), [])
  t.equal(faultsOf('package-lock.json', '"resolved": "https://npm.example.org/a.tgz"').length, 1)
  t.equal(faultsOf('package-lock.json', '"integrity": "sha512-"').length, 0)
  t.strictSame(faultsOf('bench/node_modules/a.js', ''), ['bench/node_modules/a.js is made by a build'])
})

t.test('the closing lines of a run sum up its results', async (t) => {
  const results = [
    { name: 'check', passed: 7, failed: 0, skipped: 0, seconds: 20.4 },
    { name: 'tap', passed: 100, failed: 2, seconds: 300, files: [{ name: 'a.test.js', seconds: 12 }] },
    { name: 'C++', passed: 30, failed: 0, skipped: 1, seconds: 9, files: [{ name: 'b_test', seconds: 40 }] },
  ]
  t.strictSame(closingLines(results, 1), [
    '   20 s  check: 7 passed, 0 failed',
    '  300 s  tap: 100 passed, 2 failed',
    '    9 s  C++: 30 passed, 0 failed, 1 skipped',
    '',
    'The slowest:',
    '   40 s  b_test (C++)',
    '   12 s  a.test.js (tap)',
    '',
    '137 passed, 2 failed, 1 skipped',
  ])
  t.equal(closingLines([{ name: 'check', passed: 7, failed: 0, seconds: 1 }], 0).at(-1), '7 passed, 0 failed')
  t.equal(closingLines([], 1).at(-1), '0 passed, 1 failed', 'a run that ends ahead of its tests has failed')
  const many = Array.from({ length: 12 }, (_, i) => ({ name: `${i}`, seconds: i }))
  const lines = closingLines([{ name: 'tap', passed: 12, failed: 0, seconds: 9, files: many }], 0)
  t.equal(lines.filter((line) => line.includes('(tap)')).length, 10, 'the ten slowest')
})

t.test('tests are counted from the output of tap and ctest', async (t) => {
  const tap = `TAP version 14
# Subtest: dist/work/test/a.test.js
    # Subtest: one
        ok 1 - an assertion
        not ok 2 - another
    not ok 1 - one # time=1.5ms
    ok 2 - two # time=1ms
    ok 3 - three # SKIP no such device
    1..3
not ok 1 - dist/work/test/a.test.js # time=250ms
# Subtest: dist/work/test/b.test.js
    ok 1 - one
    1..1
ok 2 - dist/work/test/b.test.js # time=1.5s
1..2
`
  t.strictSame(countTap(tap), {
    passed: 2,
    failed: 1,
    skipped: 1,
    files: [
      { name: 'a.test.js', seconds: 0.25 },
      { name: 'b.test.js', seconds: 1.5 },
    ],
  })
  const crashed = '    ok 1 - one\nnot ok 1 - dist/work/test/a.test.js # time=9ms\n'
  t.match(countTap(crashed), { passed: 1, failed: 1 }, 'a file that ends too early has failed')
  const ctest = `
      Start  1: a_test
 1/3 Test  #1: a_test ...........................   Passed    0.03 sec
      Start 12: b_live_test
 2/3 Test #12: b_live_test ......................***Failed    1.25 sec
      Start  3: c_test
 3/3 Test  #3: c_test ...........................***Timeout 120.01 sec

33% tests passed, 2 tests failed out of 3
`
  t.strictSame(countCtest(ctest), {
    passed: 1,
    failed: 2,
    skipped: 0,
    files: [
      { name: 'a_test', seconds: 0.03 },
      { name: 'b_live_test', seconds: 1.25 },
      { name: 'c_test', seconds: 120.01 },
    ],
  })
})

t.test('a test file passes only if it runs to its end', async (t) => {
  const files: Record<string, [source: string, passed: boolean, counts: Partial<Counts>]> = {
    good: [`t.test('one', async (t) => t.ok(true)); t.equal(process.env.MARK, 'set'); t.pass()`, true, { passed: 3 }],
    bad: [`t.fail('one'); t.pass('two')`, false, { passed: 1, failed: 1 }],
    thrown: [`t.test('one', async () => { throw new Error('end') })`, false, { passed: 0, failed: 1 }],
    early: [`t.test('one', async () => process.exit(0)); t.pass()`, false, { failed: 1 }],
    cut: [`t.plan(2); t.pass(); t.comment('there'); process.kill(process.pid, 'SIGKILL')`, false, { failed: 1 }],
    empty: ['', false, { passed: 0, failed: 1 }],
    pending: [`t.setTimeout(100); t.test('one', () => new Promise(() => setTimeout(() => {}, 1000)))`, false, {}],
    blocked: [`t.setTimeout(100); t.test('one', () => { for (;;); })`, false, { passed: 0, failed: 1 }],
    skipped: [`t.test('one', { skip: 'no such device' }, () => {})`, true, { passed: 0, failed: 0, skipped: 1 }],
    untested: [`t.plan(0)`, false, { passed: 0, failed: 1 }],
    unfit: [`console.log('1..0 # SKIP no namespace'); process.exit()`, true, { passed: 0, failed: 0, skipped: 1 }],
  }
  const folder = t.testdir(
    Object.fromEntries(
      Object.entries(files).map(([name, [source]]) => [`${name}.mjs`, `import t from 'tap'\n${source}`]),
    ),
  )
  await Promise.all(
    Object.entries(files).map(async ([name, [, passed, counts]]) => {
      const result = await runTestFile(path.join(folder, `${name}.mjs`), { env: { MARK: 'set' }, grace: 1 })
      t.equal(result.passed, passed, `${name}: ${result.output} ${result.errors}`)
      t.match(countTap(asSubtest(1, name, result)), { ...counts, files: [{ name }] }, name)
    }),
  )
})
