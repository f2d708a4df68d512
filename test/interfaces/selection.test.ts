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

function iface(name: string, more: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    index: 7,
    name,
    alternativeNames: [],
    kind: undefined,
    linkType: 1,
    hardwareType: 1,
    address: '02:00:00:00:00:07',
    mtu: 1500,
    up: true,
    running: true,
    loopback: false,
    promiscuous: false,
    addresses: [],
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    generation: 1,
    ...more,
  }
}

const selected = (name: string, selection: InterfaceSelection) => explainSelection(name, selection).selected

const found = (pattern: InterfacePattern, name: string) => selected(name, { include: pattern })

function failure(run: () => unknown): CaptureError {
  try {
    run()
  } catch (error) {
    if (error instanceof CaptureError) return error
    throw error
  }
  throw new Error('it did not throw')
}

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

t.test('interfaces are selected by include, exclude, loopback and name', async (t) => {
  t.test('without patterns, or with empty lists, every interface is selected', async (t) => {
    for (const selection of [undefined, {}, { include: [] }, { include: undefined, exclude: [] }]) {
      t.equal(explainSelection('eth0', selection).selected, true)
      t.equal(explainSelection('eth0', selection).list, 'default')
    }
  })
  t.test('an interface is selected if any include pattern matches', async (t) => {
    const selection = { include: ['^eth', /^ens\d/] }
    t.strictSame(
      ['eth0', 'ens3', 'ensx', 'wlan0'].map((name) => selected(name, selection)),
      [true, true, false, false],
    )
    t.strictSame(explainSelection('ens3', selection), {
      selected: true,
      list: 'include',
      pattern: selection.include[1],
      text: 'ens3 is selected: /^ens\\d/ in the include list matches it',
    })
    t.strictSame(explainSelection('wlan0', selection), {
      selected: false,
      list: 'include',
      text: 'wlan0 is not selected: nothing in the include list ("^eth", /^ens\\d/) matches it',
    })
  })
  t.test('exclude wins', async (t) => {
    const selection = { include: 'eth7', exclude: ['^br', '^veth'] }
    t.strictSame(
      ['eth7', 'veth7', 'eth70'].map((name) => selected(name, selection)),
      [true, false, true],
    )
    t.strictSame(explainSelection('veth7', selection), {
      selected: false,
      list: 'exclude',
      pattern: '^veth',
      text: 'veth7 is not selected: "^veth" in the exclude list matches it',
    })
    t.equal(
      explainSelection('eth0', { exclude: '^veth' }).text,
      'eth0 is selected: there is no include list, and nothing in the exclude list matches it',
    )
  })
  t.test('loopback is recognised by its flag', async (t) => {
    t.strictSame(explainSelection(iface('lo', { loopback: true }), { include: '^lo$' }), {
      selected: false,
      list: 'loopback',
      text: 'lo is not selected: it is a loopback device, and those need "loopback: true"',
    })
    t.equal(explainSelection(iface('local', { loopback: true })).selected, false)
    t.equal(explainSelection(iface('lo')).selected, true, 'a device called lo that is none')
    t.equal(explainSelection(iface('lo', { loopback: true }), { loopback: true }).selected, true)
    t.equal(explainSelection(iface('lo', { loopback: true }), { loopback: true, include: '^eth' }).list, 'include')
    t.equal(explainSelection(iface('lo', { loopback: true }), { loopback: true, exclude: '^lo$' }).list, 'exclude')
    t.equal(explainSelection('lo').list, 'loopback', 'a bare lo is taken for one')
  })
  t.test('down interfaces are selected too', async (t) => {
    t.equal(explainSelection(iface('eth0', { up: false, running: false })).selected, true)
  })
  t.test('patterns are matched against the name only', async (t) => {
    t.equal(explainSelection(iface('enp1s0', { alternativeNames: ['uplink'] }), { include: 'uplink' }).selected, false)
  })
})

t.test('names are matched exactly', async (t) => {
  t.equal(selected('eth7', 'eth7'), true)
  t.equal(selected('veth7', 'eth7'), false, 'no search')
  t.equal(selected('eth70', ['eth7', 'eth8']), false)
  t.equal(selected('eth8', ['eth7', 'eth8']), true)
  t.equal(selected('ethx', 'eth.'), false, 'no pattern')
  t.equal(explainSelection(iface('lo', { loopback: true }), 'lo').selected, true, 'loopback by name: it was asked for')
  const renamed = iface('enp1s0', { alternativeNames: ['uplink'] })
  t.strictSame(explainSelection(renamed, ['eth0', 'uplink']), {
    selected: true,
    list: 'names',
    pattern: 'uplink',
    text: 'enp1s0 is selected: its alternative name "uplink" is named in the selection',
  })
  t.equal(
    explainSelection('a', ['b', 'c', 'd', 'e', 'f', 'g', 'h']).text,
    'a is not selected: the selection names "b", "c", "d", "e", "f" and 2 more alone',
  )
})

t.test('the error for a wrong argument names what was expected and what was given', async (t) => {
  const message = (selection: unknown) => {
    const error = failure(() => explainSelection('eth0', selection as InterfaceSelection))
    t.equal(error.code, 'ERR_OPTION')
    return error.message
  }
  t.equal(
    message({ includes: '^eth' }),
    'selection.includes is not an option; known are include, exclude, loopback, hotplug',
  )
  t.match(message(/eth/), /got a RegExp: write \{ include: … \}/)
  t.match(
    message(() => true),
    /got a function: write \{ include/,
  )
  t.match(message(null), /^selection must be a name, a list of names or .*; got null/)
  t.match(message(5), /got the number 5/)
  t.match(message(''), /^selection must be the exact name of an interface; got the string ""/)
  t.match(message([]), /at least one interface/)
  t.match(message(new Array(2)), /^selection\[0\] must be the exact name of an interface; got undefined/)
  t.match(message(['eth0', /x/]), /^selection\[1\] must be .*patterns go into/)
  t.match(message({ include: 5 }), /^selection\.include must be a string .*; got the number 5/)
  t.match(message({ include: ['a', null] }), /^selection\.include\[1\] must be .*; got null/)
  // biome-ignore lint/suspicious/noSparseArray: a hole is the case under test
  t.match(message({ exclude: ['a', , 'b'] }), /^selection\.exclude\[1\] must be .*; got undefined/)
  t.match(message({ include: null }), /^selection\.include must be/)
  t.match(message({ loopback: 'yes' }), /^selection\.loopback must be a boolean; got the string "yes"/)
  t.match(message({ hotplug: 1 }), /^selection\.hotplug must be a boolean/)
  for (const wrong of ['', 5, null, undefined, {}]) {
    t.match(
      failure(() => explainSelection(wrong as never, {})).message,
      /^interface must be a NetworkInterface or the name of one; got /,
    )
  }
})

t.test('names, hotplug and warnings of a selection are normalised', async (t) => {
  // Not exported: loaded from beside the package's entry point.
  const url = new URL('./interfaces/selection.js', import.meta.resolve('ringtap'))
  const { normaliseSelection } = (await import(url.href)) as {
    normaliseSelection(selection?: InterfaceSelection): {
      hotplug: boolean
      names: readonly string[] | undefined
      warnings: readonly string[]
    }
  }
  t.match(normaliseSelection(), { hotplug: false, names: undefined, warnings: [] })
  t.equal(normaliseSelection({ hotplug: true }).hotplug, true)
  t.strictSame(normaliseSelection(['b', 'a', 'b']).names, ['b', 'a'])
  t.equal(normaliseSelection('a').hotplug, false)
  t.match(failure(() => normaliseSelection({ exclude: '[' })).message, /^interfaces\.exclude: /)

  const warnings = (selection: InterfaceSelection) => normaliseSelection(selection).warnings
  t.strictSame(warnings({ include: ['^eth', 'eth|'], exclude: [/x*/, () => true] }), [
    'interfaces.include[1]: "eth|" matches the empty string, and with it every interface',
    'interfaces.exclude[0]: /x*/ matches the empty string, and with it every interface',
  ])
  t.strictSame(warnings({ exclude: '^$' }), [
    'interfaces.exclude: "^$" matches the empty string, which is no interface\'s name',
  ])
  t.strictSame(warnings({ include: '' }), [
    'interfaces.include: "" matches the empty string, and with it every interface',
  ])
  t.strictSame(warnings({ exclude: 'eth\\d' }), [
    'interfaces.exclude: "eth\\\\d" is an extended regular expression, in which \\d is the letter d; for JavaScript\'s dialect give a RegExp',
  ])
  t.match(warnings({ exclude: '^[\\d]+$' }), [/a backslash inside brackets is itself/])
  t.match(warnings({ exclude: '[[:alpha:]\\]]' }), [/a backslash inside brackets is itself/])
  for (const fine of ['br\\.5', '\\<eth\\>', '[]\\.]', '[^]a]\\w', '[[:digit:]]\\b', '[[.-.]]', '(a)\\1', '\\\\d']) {
    t.strictSame(warnings({ include: fine }), [], `nothing to say of ${fine}`)
  }
  t.strictSame(warnings({ include: /eth\d/ }), [])
  t.strictSame(warnings(['eth0.5', 'wl-a_b+c']), [])
  t.strictSame(warnings('^eth'), [
    'interfaces: "^eth" is taken as an exact name; for a pattern write { include: "^eth" }',
  ])
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
