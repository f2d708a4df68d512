import { types } from 'node:util'
import { checkBoolean, checkKeys, checkList, maxName } from '../arguments.js'
import { CaptureError, describe, optionError, printable } from '../errors.js'
import { asPattern, looksLikePattern } from './name-hint.js'
import type { NativeSelection } from './native.js'
import type { NetworkInterface } from './network-interface.js'
import {
  checkPattern,
  compilePatterns,
  compilePatternsNow,
  type Expression,
  type InterfacePattern,
  type Matcher,
} from './pattern.js'

/** Which interfaces to capture on, by patterns. Everything is optional; `{}` is every interface except loopback. */
export interface InterfaceRules {
  /**
   * Interfaces that one of these patterns matches are selected. Default, and with an empty list (as programs build from
   * an empty setting): every interface.
   */
  include?: InterfacePattern | readonly InterfacePattern[] | undefined
  /** Interfaces that one of these patterns matches are not selected, whatever `include` says. Default: none. */
  exclude?: InterfacePattern | readonly InterfacePattern[] | undefined
  /**
   * Whether loopback devices (IFF_LOOPBACK, whatever their name) can be selected; they have to match the lists like
   * others. Default false.
   */
  loopback?: boolean | undefined
  /**
   * Whether the rules are also applied to interfaces that appear, or are renamed, while the capture runs. Default
   * false: to those present at the start. One of these keeps its selection when it is renamed, and is not captured again
   * once it was removed, whatever gets its name; when the last one goes, there is a `warning`, because nothing can be
   * captured any more.
   */
  hotplug?: boolean | undefined
}

/**
 * Which interfaces to capture on.
 *
 * - A **name**, or a list of names: exactly these. Names are no patterns, and the list may not be empty. A name may
 *   also be an alternative name (`ip link property add altname`), as with ip(8). A loopback device that is named is
 *   selected. All must be present at the start. From then on a name stands for the interface that has it: one that is
 *   renamed away, deleted, or moved to another namespace is not captured any longer, and another one that appears with
 *   the name, or gets it, is. Each device has its own line in the ledger.
 * - {@link InterfaceRules}: by patterns.
 *
 * Default: every interface that is present now, except loopback.
 */
export type InterfaceSelection = string | readonly string[] | InterfaceRules

/** What decided about one interface. */
export interface SelectionExplanation {
  /** Whether the interface is selected. */
  readonly selected: boolean
  /**
   * What decided: the `include` list (by a match, or because nothing in it matches), the `exclude` list, the rule that
   * `loopback` is left out, the list of exact `names`, or `default`: there is no include list, and nothing in the
   * exclude list matches.
   */
  readonly list: 'include' | 'exclude' | 'loopback' | 'names' | 'default'
  /** The pattern or name that matched, as it was given; absent if none did. */
  readonly pattern?: InterfacePattern
  /** The explanation in one sentence; control characters are written as escapes. */
  readonly text: string
}

/**
 * A selection, checked, whose strings are not compiled yet.
 *
 * @internal
 */
export interface CheckedSelection {
  /** The option of the rules; false for names. */
  readonly hotplug: boolean
  /** Whether interfaces that appear, or get another name, are decided on: by names, and with `hotplug`. */
  readonly follows: boolean
  /** The exact names; `undefined` if the selection is by rules. */
  readonly names: readonly string[] | undefined
  /**
   * Compiles the strings on a separate thread.
   *
   * @throws CaptureError (the promise rejects) `ERR_PATTERN` for the first bad pattern.
   */
  compile(): Promise<Selection>
}

/**
 * A selection, checked and compiled once, and evaluated for every interface.
 *
 * @internal
 */
export interface Selection extends Pick<CheckedSelection, 'hotplug' | 'follows' | 'names'> {
  /**
   * The same selection for native code, which then decides itself; `undefined` if it contains a RegExp or a function.
   */
  readonly native: NativeSelection | undefined
  /** Texts that the capture emits as `warning`, once each. */
  readonly warnings: readonly string[]
  /** @throws CaptureError `ERR_PATTERN` from a user's function, {@link InterfacePattern}. */
  decide(iface: NetworkInterface): SelectionExplanation
}

const keys = ['include', 'exclude', 'loopback', 'hotplug'] as const

/**
 * Explains which part of a selection decides about an interface.
 *
 * @param iface An interface, or only a name, whether or not it exists. A name alone is taken to have no alternative
 *   names, and to be loopback if it is `lo`.
 * @param selection What {@link CaptureOptions.interfaces} takes. Default: every interface except loopback. It is
 *   compiled anew at each call, on the calling thread: a string takes the C library up to a tenth of a second with glibc
 *   and half a second with musl, if it is built for that; usual ones take microseconds.
 * @throws CaptureError `ERR_OPTION` for an argument of the wrong kind, and if a function has to decide about a name
 *   alone; `ERR_PATTERN` for a bad pattern.
 */
export function explainSelection(
  iface: NetworkInterface | string,
  selection?: InterfaceSelection,
): SelectionExplanation {
  const compiled = check(selection, 'selection').compileNow()
  if (typeof iface === 'string') {
    if (iface === '' || iface.length >= maxName) {
      throw optionError('interface', 'a NetworkInterface or the name of one', iface)
    }
    const bare = { name: iface, alternativeNames: [] as readonly string[], loopback: iface === 'lo' }
    return compiled.decide(bare as unknown as NetworkInterface, true)
  }
  if (typeof iface !== 'object' || iface === null || typeof iface.name !== 'string' || iface.name.length >= maxName) {
    throw optionError('interface', 'a NetworkInterface or the name of one', iface)
  }
  return compiled.decide(iface)
}

/**
 * Checks the option `interfaces`.
 *
 * @throws CaptureError `ERR_OPTION` for a value of the wrong kind or an unknown key.
 * @internal
 */
export function normaliseSelection(selection: InterfaceSelection | undefined, label = 'interfaces'): CheckedSelection {
  return check(selection, label)
}

/** Names or patterns in one list. */
const maxEntries = 65_536

interface Compiled extends Selection {
  decide(iface: NetworkInterface, nameOnly?: boolean): SelectionExplanation
}

interface Checked extends CheckedSelection {
  compileNow(): Compiled
}

function check(selection: unknown, label: string): Checked {
  if (selection === undefined) return byRules({}, label)
  if (typeof selection === 'string') return byNames([selection], label)
  if (Array.isArray(selection)) {
    return byNames(checkList(selection, label, `a list of at most ${maxEntries} names`, maxEntries), label)
  }
  if (types.isRegExp(selection) || typeof selection === 'function') {
    throw new CaptureError(
      'ERR_OPTION',
      `${label} must be a name, a list of names or { ${keys.join(', ')} }; got ${types.isRegExp(selection) ? 'a RegExp' : 'a function'}: write { include: … }`,
      { option: label },
    )
  }
  if (typeof selection !== 'object' || selection === null) {
    throw optionError(label, `a name, a list of names or { ${keys.join(', ')} }`, selection)
  }
  return byRules(selection as Record<string, unknown>, label)
}

function byNames(list: readonly unknown[], label: string): Checked {
  const isOne = list.length === 1
  if (list.length === 0) {
    throw new CaptureError(
      'ERR_OPTION',
      `${label} must name at least one interface; got an empty list (leave it out to capture on every interface)`,
      { option: label },
    )
  }
  const names: string[] = []
  const warnings: string[] = []
  list.forEach((name, index) => {
    const where = isOne ? label : `${label}[${index}]`
    if (typeof name !== 'string' || name === '' || name.length >= maxName) {
      const patternLike = types.isRegExp(name) || typeof name === 'function'
      throw optionError(
        where,
        `the exact name of an interface${patternLike ? ' (patterns go into { include: … })' : ''}`,
        name,
      )
    }
    if (looksLikePattern(name)) {
      warnings.push(
        `${where}: ${JSON.stringify(name)} is taken as an exact name; for a pattern write ${asPattern(name)}`,
      )
    }
    if (!names.includes(name)) names.push(name)
  })
  const compiled: Compiled = {
    hotplug: false,
    follows: true,
    names,
    native: { names, include: [], exclude: [], loopback: true },
    warnings,
    decide(iface) {
      for (const name of names) {
        if (name === iface.name) {
          return verdict(iface, true, 'names', 'it is named in the selection', name)
        }
        if (iface.alternativeNames.includes(name)) {
          return verdict(
            iface,
            true,
            'names',
            `its alternative name ${JSON.stringify(name)} is named in the selection`,
            name,
          )
        }
      }
      return verdict(
        iface,
        false,
        'names',
        `the selection names ${enumerate(names.map((name) => JSON.stringify(name)))} alone`,
      )
    },
  }
  return { hotplug: false, follows: true, names, compile: async () => compiled, compileNow: () => compiled }
}

function byRules(rules: Readonly<Record<string, unknown>>, label: string): Checked {
  checkKeys(rules, label, keys)
  const include = patterns(rules['include'], `${label}.include`)
  const exclude = patterns(rules['exclude'], `${label}.exclude`)
  const loopback = rules['loopback'] !== undefined && checkBoolean(rules['loopback'], `${label}.loopback`)
  const hotplug = rules['hotplug'] !== undefined && checkBoolean(rules['hotplug'], `${label}.hotplug`)
  const all = [...include, ...exclude]
  const compiled = (matchers: readonly Matcher[]) =>
    applying({
      include: matchers.slice(0, include.length),
      exclude: matchers.slice(include.length),
      loopback,
      hotplug,
    })
  return {
    hotplug,
    follows: hotplug,
    names: undefined,
    compile: async () => compiled(await compilePatterns(all)),
    compileNow: () => compiled(compilePatternsNow(all)),
  }
}

interface CompiledRules {
  readonly include: readonly Matcher[]
  readonly exclude: readonly Matcher[]
  readonly loopback: boolean
  readonly hotplug: boolean
}

function applying({ include, exclude, loopback, hotplug }: CompiledRules): Compiled {
  return {
    hotplug,
    follows: hotplug,
    names: undefined,
    native: expressionsOf(include, exclude, loopback),
    warnings: [...include, ...exclude].flatMap((matcher) => matcher.warnings),
    decide(iface, nameOnly = false) {
      const hit = (list: readonly Matcher[]) =>
        list.find((matcher) => {
          if (nameOnly && matcher.needsInterface) {
            throw new CaptureError(
              'ERR_OPTION',
              `interface must be a NetworkInterface where ${matcher.shown} of the selection decides; got ${describe(iface.name)}`,
              { option: 'interface' },
            )
          }
          return matcher.matches(iface)
        })

      // Before the lists, so that their functions are not called for devices that cannot be selected.
      if (iface.loopback && !loopback) {
        return verdict(iface, false, 'loopback', 'it is a loopback device, and those need "loopback: true"')
      }
      const excluding = hit(exclude)
      if (excluding) {
        return verdict(iface, false, 'exclude', `${excluding.shown} in the exclude list matches it`, excluding.pattern)
      }
      if (include.length === 0) {
        const why =
          exclude.length === 0
            ? 'the selection has no lists'
            : 'there is no include list, and nothing in the exclude list matches it'
        return verdict(iface, true, 'default', why)
      }
      const including = hit(include)
      if (including) {
        return verdict(iface, true, 'include', `${including.shown} in the include list matches it`, including.pattern)
      }
      const tried = enumerate(include.map((matcher) => matcher.shown))
      return verdict(iface, false, 'include', `nothing in the include list (${tried}) matches it`)
    },
  }
}

function expressionsOf(
  include: readonly Matcher[],
  exclude: readonly Matcher[],
  loopback: boolean,
): NativeSelection | undefined {
  const texts = (list: readonly Matcher[]) =>
    list.map(({ pattern }) => pattern).filter((one) => typeof one === 'string')
  const selection = { names: [], include: texts(include), exclude: texts(exclude), loopback }
  const complete = selection.include.length === include.length && selection.exclude.length === exclude.length
  return complete ? selection : undefined
}

function patterns(value: unknown, label: string): readonly (Matcher | Expression)[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) return [checkPattern(value, label)]
  const list = checkList(value, label, `a list of at most ${maxEntries} patterns`, maxEntries)
  return list.map((pattern, index) => checkPattern(pattern, `${label}[${index}]`))
}

function verdict(
  iface: NetworkInterface,
  selected: boolean,
  list: SelectionExplanation['list'],
  why: string,
  pattern?: InterfacePattern,
): SelectionExplanation {
  const text = printable(`${iface.name} is ${selected ? '' : 'not '}selected: ${why}`)
  return pattern === undefined ? { selected, list, text } : { selected, list, pattern, text }
}

// Shortens a list in a message.
function enumerate(items: readonly string[]): string {
  const shown = 5
  return items.length <= shown
    ? items.join(', ')
    : `${items.slice(0, shown).join(', ')} and ${items.length - shown} more`
}
