// What one pattern matches: a string, a RegExp, a function.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import {
  CaptureError,
  explainSelection,
  type InterfacePattern,
  type InterfaceSelection,
  type NetworkInterface,
} from 'ringtap'
import t from 'tap'
import { failure, iface, selected } from '../helpers/selections.js'

const found = (pattern: InterfacePattern, name: string) => selected(name, { include: pattern })

const names = [
  'eth0',
  'eth7',
  'eth70',
  'veth7',
  'ethd',
  'eth)',
  'eth',
  'my-eth',
  'a',
  ']',
  'x',
  'xx',
  'xxx',
  'd',
  '0',
  'br.5',
  'wlan0',
  'ö0',
]

// A file rather than standard input: with a bad pattern grep may exit before it has read its input.
const file = join(t.testdir(), 'names')
writeFileSync(file, names.map((name) => `${name}\n`).join(''))

/** The names that grep -E matches: the witness for "as egrep reads it". */
function grep(pattern: string): { status: number | null; lines: string[]; stderr: string } {
  const run = spawnSync('grep', ['-E', '-e', pattern, file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (run.error) throw run.error
  return { status: run.status, lines: run.stdout.split('\n').filter(Boolean), stderr: run.stderr }
}

t.test('a string pattern matches what grep -E matches', async (t) => {
  const patterns = [
    'eth7', // a search, not a match of the whole name
    '^eth',
    'eth$',
    '^eth[0-9]$',
    '^(eth|wlan)[0-9]+$',
    'eth[[:digit:]]',
    '[]]',
    '[^]a]',
    'eth\\d',
    '\\<eth',
    'eth\\>',
    '^x{,2}$',
    'eth)',
    'eth|', // other dialects differ without an error
    '',
    'x*',
    '^$',
    '()',
    '(x)\\1',
    '\\w\\W',
    'br\\.5',
    '[[:upper:]]',
    '[a-c]',
    '[\\d]',
    '^.{3}$',
    'a+?',
    '.',
  ]
  for (const pattern of patterns) {
    const witness = grep(pattern)
    t.ok(witness.status === 0 || witness.status === 1, `grep takes ${pattern}`)
    t.strictSame(
      names.filter((name) => found(pattern, name)),
      witness.lines,
      `finds what grep finds: ${JSON.stringify(pattern)}`,
    )
  }
})

t.test('an extended regular expression keeps its meaning where a RegExp differs', async (t) => {
  const differs = (pattern: string, name: string, expected: boolean) => {
    t.equal(found(pattern, name), expected, `${pattern} on ${name}`)
    t.equal(new RegExp(pattern).test(name), !expected, `and RegExp says the opposite`)
  }
  differs('eth[[:digit:]]', 'eth0', true)
  differs('[]]', 'a]', true)
  differs('^[^]a]$', 'x', true)
  differs('^[^]a]$', ']a]', false)
  differs('eth\\d', 'ethd', true)
  differs('eth\\d', 'eth0', false)
  differs('\\<eth', 'eth0', true)
  differs('eth\\>', 'veth', true)
  differs('^x{,2}$', 'xx', true)
})

t.test('the error for a bad pattern names the list, the pattern and the reason', async (t) => {
  // Patterns that grep rejects too, or accepts with a warning and a guess.
  for (const pattern of ['[[:foo:]]', 'eth[', 'eth(', 'eth\\', '[z-a]', 'x{2,1}', '*eth', '(?:eth)', '{1}a']) {
    const witness = grep(pattern)
    t.ok(
      witness.status === 2 || witness.stderr.includes('at start of expression'),
      `grep is not content with ${pattern}`,
    )
    const error = failure(() => explainSelection('eth0', { include: ['^ok', pattern] }))
    t.equal(error.code, 'ERR_PATTERN')
    t.ok(
      error.message.startsWith(
        `selection.include[1]: ${JSON.stringify(pattern)} is not a valid extended regular expression: `,
      ),
      error.message,
    )
    t.type(error.cause, CaptureError)
  }
  t.match(
    failure(() => explainSelection('eth0', { exclude: '[[:foo:]]' })).message,
    /^selection\.exclude: "\[\[:foo:\]\]" .*: \S+/,
  )
  t.match(failure(() => explainSelection('eth0', { exclude: '(?:eth)' })).message, /give a RegExp/)
  t.equal(/(?:eth)/.test('eth0'), true, 'legal in JavaScript')
  t.equal(
    failure(() => explainSelection('eth0', { include: 'a\0b' })).message,
    'selection.include: "a\\u0000b" is not a valid extended regular expression: It contains a NUL character',
  )
  t.match(
    failure(() => explainSelection('eth0', { exclude: '^eth\n' })).message,
    /"\^eth\\n" .* newline/,
    'grep would read it as "or"',
  )
})

t.test('an unmatched ) is an ordinary character', async (t) => {
  t.equal(found('eth)', 'eth)'), true)
  t.throws(() => new RegExp('eth)'), SyntaxError)
})

t.test('expressions match bytes: the locale is always C', async (t) => {
  t.equal(found('^.$', 'ö'), false)
  t.equal(found('^..$', 'ö'), true)
  t.equal(found('[[:alpha:]]', 'ö'), false)
  t.equal(found('ö', 'wlö0'), true)
})

t.test('a RegExp matches by the rules of JavaScript, without lastIndex', async (t) => {
  t.equal(found(/eth\d/, 'veth0'), true)
  t.equal(found(/ETH/i, 'eth0'), true)
  t.equal(found(/^.$/u, 'ö'), true)
  const seen: string[] = []
  const global = /eth/g
  global.lastIndex = 2
  const sticky = /eth/y
  sticky.lastIndex = 1
  const selection: InterfaceSelection = { include: [global, (i) => (seen.push(i.name), false)] }
  for (let i = 0; i < 4; i++) {
    t.equal(explainSelection(iface('eth0'), selection).selected, true)
    t.equal(found(sticky, 'eth0'), true)
    t.equal(found(sticky, 'veth0'), false, 'y still means: from the start')
  }
  t.strictSame(seen, [], 'the first that matches decides')
  t.equal(global.lastIndex, 2, 'the object given is left alone')
  t.equal(sticky.lastIndex, 1)
  const foreign = runInContext('/^eth/', createContext()) as RegExp
  t.equal(found(foreign, 'eth0'), true, 'of another realm')
})

t.test('a function is called with the interface', async (t) => {
  const given = iface('eth0', { kind: 'veth' })
  const calls: unknown[] = []
  const isVeth = (i: NetworkInterface) => (calls.push(i), i.kind === 'veth')
  const explanation = explainSelection(given, { exclude: isVeth })
  t.strictSame(calls, [given])
  t.equal(calls[0], given, 'the very object')
  t.strictSame(explanation, {
    selected: false,
    list: 'exclude',
    pattern: isVeth,
    text: 'eth0 is not selected: the function isVeth in the exclude list matches it',
  })

  const boom = new Error('boom')
  const thrown = failure(() =>
    explainSelection(given, {
      include: [
        '^a',
        () => {
          throw boom
        },
      ],
    }),
  )
  t.match(thrown, { code: 'ERR_PATTERN', interface: 'eth0' })
  t.equal(thrown.cause, boom)
  t.equal(thrown.message, 'selection.include[1]: the function threw for interface eth0: boom')

  for (const wrong of [undefined, 1, 'yes', null, Promise.resolve(true)]) {
    const error = failure(() => explainSelection(given, { exclude: (() => wrong) as never }))
    t.equal(error.code, 'ERR_PATTERN')
    t.match(
      error.message,
      /^selection\.exclude: the function exclude must return a boolean; for interface eth0 it returned /,
    )
  }

  t.match(
    failure(() => explainSelection('eth0', { include: isVeth })),
    {
      code: 'ERR_OPTION',
      message:
        'interface must be a NetworkInterface where the function isVeth of the selection decides; got the string "eth0"',
    },
  )
  t.equal(selected('eth0', { include: ['^eth', isVeth] }), true, 'a bare name does while no function is reached')
})

t.test('patterns that would crash the C library or take it long are refused with the reason', async (t) => {
  for (const [pattern, reason] of [
    [`${'('.repeat(20_000)}a${')'.repeat(20_000)}`, /16384 bytes/],
    [`${'('.repeat(8000)}a${')'.repeat(8000)}`, /50 parentheses inside one another/],
    [`${'('.repeat(10)}a${'{0,9})'.repeat(10)}`, /20000 characters, counting repetitions/],
    ['((a{1,255}){1,255}){1,255}', /20000 characters, counting repetitions/],
    ['(^|a)*'.repeat(22), /repetitions of what may be empty/],
  ] as [string, RegExp][]) {
    for (const list of ['include', 'exclude']) {
      t.throws(() => explainSelection('eth0', { [list]: ['fine', pattern] }), {
        code: 'ERR_PATTERN',
        option: `selection.${list}[1]`,
        message: reason,
      })
    }
  }
})
