import { explainSelection, type InterfaceSelection } from 'ringtap'
import t from 'tap'
import { failure, iface, selected } from '../helpers/selections.js'

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
      compile(): Promise<{ hotplug: boolean; names: readonly string[] | undefined; warnings: readonly string[] }>
    }
  }
  t.match(await normaliseSelection().compile(), { hotplug: false, names: undefined, warnings: [] })
  t.equal(normaliseSelection({ hotplug: true }).hotplug, true)
  t.strictSame(normaliseSelection(['b', 'a', 'b']).names, ['b', 'a'])
  t.equal(normaliseSelection('a').hotplug, false)
  await t.rejects(normaliseSelection({ exclude: '[' }).compile(), {
    code: 'ERR_PATTERN',
    message: /^interfaces\.exclude: /,
  })

  const warnings = async (selection: InterfaceSelection) => (await normaliseSelection(selection).compile()).warnings
  t.strictSame(await warnings({ include: ['^eth', 'eth|'], exclude: [/x*/, () => true] }), [
    'interfaces.include[1]: "eth|" matches the empty string, and with it every interface',
    'interfaces.exclude[0]: /x*/ matches the empty string, and with it every interface',
  ])
  t.strictSame(await warnings({ exclude: '^$' }), [
    'interfaces.exclude: "^$" matches the empty string, which is no interface\'s name',
  ])
  t.strictSame(await warnings({ include: '' }), [
    'interfaces.include: "" matches the empty string, and with it every interface',
  ])
  t.strictSame(await warnings({ exclude: 'eth\\d' }), [
    'interfaces.exclude: "eth\\\\d" is an extended regular expression, in which \\d is the letter d; for JavaScript\'s dialect give a RegExp',
  ])
  t.match(await warnings({ exclude: '^[\\d]+$' }), [/a backslash inside brackets is itself/])
  t.match(await warnings({ exclude: '[[:alpha:]\\]]' }), [/a backslash inside brackets is itself/])
  for (const fine of ['br\\.5', '\\<eth\\>', '[]\\.]', '[^]a]\\w', '[[:digit:]]\\b', '[[.-.]]', '(a)\\1', '\\\\d']) {
    t.strictSame(await warnings({ include: fine }), [], `nothing to say of ${fine}`)
  }
  t.strictSame(await warnings({ include: /eth\d/ }), [])
  t.strictSame(await warnings(['eth0.5', 'wl-a_b+c']), [])
  t.strictSame(await warnings('^eth'), [
    'interfaces: "^eth" is taken as an exact name; for a pattern write { include: "^eth" }',
  ])
})
