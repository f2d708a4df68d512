import { types } from 'node:util'
import { CaptureError, describe, optionError } from '../errors.js'
import { type NativePattern, native } from './native.js'
import type { NetworkInterface } from './network-interface.js'

/**
 * One pattern of an include or exclude list.
 *
 * - A **string** is a POSIX extended regular expression (regex(7)), searched for anywhere in the interface's name as
 *   `egrep` does: `eth7` also matches `veth7` and `eth70`; anchor it with `^` and `$`. It is not JavaScript's dialect:
 *   `[[:digit:]]`, `[]]` and `\<` work, `\d` is the letter d. It is read in the "C" locale: classes are ASCII, and `.`
 *   is one byte of the name's UTF-8. What `grep -E` accepts leniently (a leading `*`, an open `{`) is an error here. So
 *   is a pattern that could take the C library long. The limits are 16384 bytes, 50 parentheses inside one another,
 *   20000 characters and 2000 choices (`|`, `?`, `*` …) with counted repetitions written out, a few repetitions of what
 *   may be empty (`(a*)*`), 100000 ways to pass through parts that may be empty where there are such repetitions or
 *   anchors, 100000 ways for one character to follow another, and 2 back-references. A name of more than 255 bytes, which
 *   a file may have, matches no string; with back-references none of more than 15 bytes, the longest of a network device.
 *   Strings are compiled on a thread of their own.
 * - A **RegExp** is used unchanged, and is also searched for anywhere. Each name is matched from its start:
 *   flags `g` and `y` carry nothing over from one name to the next, and `lastIndex` of the given object is neither read
 *   nor changed.
 * - A **function** receives the {@link NetworkInterface} and returns whether the pattern matches, synchronously and as
 *   a boolean. An exception becomes the `cause` of an `ERR_PATTERN`. With `hotplug` it is called again for every
 *   interface that appears or is renamed.
 *
 * Strings and RegExps are matched with `name` only, not with `alternativeNames`: an alternative name that is added
 * later would change what a list means. A function can look at them.
 */
export type InterfacePattern = string | RegExp | ((iface: NetworkInterface) => boolean)

/**
 * A compiled pattern.
 *
 * @internal
 */
export interface Matcher {
  /** As it was given. */
  readonly pattern: InterfacePattern
  /** For messages. */
  readonly shown: string
  /** Whether it needs more than the name of an interface. */
  readonly needsInterface: boolean
  /** A warning about a likely mistake in the pattern. */
  readonly warnings: readonly string[]
  /** @throws CaptureError `ERR_PATTERN` if the user's function throws or returns something other than a boolean. */
  matches(iface: NetworkInterface): boolean
}

/**
 * A string among the patterns that is not compiled yet.
 *
 * @internal
 */
export interface Expression {
  readonly expression: string
  /** Its option, for messages (`interfaces.include[1]`). */
  readonly label: string
}

/**
 * Checks the type of one pattern. All but strings are compiled already.
 *
 * @throws CaptureError `ERR_OPTION` for a value of the wrong kind.
 * @internal
 */
export function checkPattern(pattern: unknown, label: string): Matcher | Expression {
  if (typeof pattern === 'string') return { expression: pattern, label }
  if (types.isRegExp(pattern)) return fromRegExp(pattern, label)
  if (typeof pattern === 'function') return fromFunction(pattern as (iface: NetworkInterface) => boolean, label)
  throw optionError(label, 'a string (an extended regular expression), a RegExp or a function', pattern)
}

/**
 * Compiles the strings of a list on a separate thread.
 *
 * @throws CaptureError (the promise rejects) `ERR_PATTERN` for the first that is not an extended regular expression.
 * @internal
 */
export async function compilePatterns(list: readonly (Matcher | Expression)[]): Promise<readonly Matcher[]> {
  const expressions = list.filter((one) => 'expression' in one)
  if (expressions.length === 0) return list as readonly Matcher[]
  const { patterns, failure } = await native().compilePatterns(expressions.map(({ expression }) => cut(expression)))
  if (failure) throw refused(expressions[patterns.length] as Expression, failure)
  let at = 0
  return list.map((one) => ('expression' in one ? fromExpression(one, patterns[at++] as NativePattern) : one))
}

/**
 * Compiles the strings of a list on the calling thread.
 *
 * @throws CaptureError `ERR_PATTERN` for the first that is not an extended regular expression.
 * @internal
 */
export function compilePatternsNow(list: readonly (Matcher | Expression)[]): readonly Matcher[] {
  return list.map((one) => ('expression' in one ? fromExpression(one, compileExpression(one)) : one))
}

function fromExpression({ expression: pattern, label }: Expression, compiled: NativePattern): Matcher {
  const addon = native()
  const shown = show(pattern)
  const stray = strayEscape(pattern)
  const matches = (text: string) => addon.patternMatches(compiled, text)
  const warnings = emptyMatchWarning(label, shown, matches)
  if (stray !== undefined) {
    warnings.push(
      `${label}: ${shown} is an extended regular expression, in which ${stray}; for JavaScript's dialect give a RegExp`,
    )
  }
  return { pattern, shown, needsInterface: false, warnings, matches: (iface) => matches(iface.name) }
}

// Shortens a pattern in a message: programs generate patterns of hundreds of names.
function show(pattern: string): string {
  return pattern.length > 200 ? `${JSON.stringify(pattern.slice(0, 197))}…` : JSON.stringify(pattern)
}

const maxLength = 16_384

/** Native code reports the exact limit in bytes; it need not copy more to do so. */
function cut(expression: string): string {
  return expression.slice(0, maxLength + 1)
}

function compileExpression(one: Expression): NativePattern {
  try {
    return native().compilePattern(cut(one.expression))
  } catch (cause) {
    if (!(cause instanceof CaptureError)) throw cause
    throw refused(one, cause)
  }
}

/** `cause`: the native error, whose message is the reason alone. */
function refused({ expression, label }: Expression, cause: CaptureError): CaptureError {
  // regerror's message for JavaScript's (?:…), (?=…) or (?<name>…) does not help: add the likely mistake.
  const hint = expression.includes('(?') ? ' ("(?" is JavaScript\'s dialect: give a RegExp)' : ''
  return new CaptureError(
    'ERR_PATTERN',
    `${label}: ${show(expression)} is not a valid extended regular expression: ${cause.message}${hint}`,
    { cause, option: label },
  )
}

function fromRegExp(pattern: RegExp, label: string): Matcher {
  const own = new RegExp(pattern)
  const test = (text: string) => {
    own.lastIndex = 0
    return own.test(text)
  }
  const shown = String(own)
  return {
    pattern,
    shown,
    needsInterface: false,
    warnings: emptyMatchWarning(label, shown, test),
    matches: (iface) => test(iface.name),
  }
}

function fromFunction(pattern: (iface: NetworkInterface) => boolean, label: string): Matcher {
  const shown = pattern.name ? `the function ${pattern.name}` : 'the function'
  return {
    pattern,
    shown,
    needsInterface: true,
    warnings: [],
    matches(iface) {
      let verdict: unknown
      try {
        verdict = pattern(iface)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : describe(cause)
        throw new CaptureError('ERR_PATTERN', `${label}: ${shown} threw for interface ${iface.name}: ${reason}`, {
          cause,
          interface: iface.name,
          option: label,
        })
      }
      if (typeof verdict !== 'boolean') {
        throw new CaptureError(
          'ERR_PATTERN',
          `${label}: ${shown} must return a boolean; for interface ${iface.name} it returned ${describe(verdict)}`,
          { interface: iface.name, option: label },
        )
      }
      return verdict
    },
  }
}

// No device has this name: a pattern that matches both it and the empty string matches everything.
const noName = '\u0001'

function emptyMatchWarning(label: string, shown: string, test: (text: string) => boolean): string[] {
  if (!test('')) return []
  return test(noName)
    ? [`${label}: ${shown} matches the empty string, and with it every interface`]
    : [`${label}: ${shown} matches the empty string, which is no interface's name`]
}

/**
 * Describes the first backslash in an extended regular expression that does not mean what it means in JavaScript. grep
 * from 3.8 on warns of the same outside brackets. The meaning depends on the C library (glibc: the letter itself; musl:
 * `\d` is a digit), so it is a mistake with either.
 */
function strayEscape(pattern: string): string | undefined {
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]
    if (c === '\\') {
      const next = pattern[++i] ?? ''
      if (/[a-zA-Z]/.test(next) && !/[wWsSbB]/.test(next)) return `\\${next} is the letter ${next}`
    } else if (c === '[') {
      i++
      if (pattern[i] === '^') i++
      const first = i
      for (; i < pattern.length && (pattern[i] !== ']' || i === first); i++) {
        const next = pattern[i + 1] ?? ''
        if (pattern[i] === '[' && (next === ':' || next === '.' || next === '=')) {
          const end = pattern.indexOf(`${next}]`, i + 2)
          if (end < 0) return undefined
          i = end + 1
        } else if (pattern[i] === '\\' && /[a-zA-Z\]]/.test(next)) {
          return 'a backslash inside brackets is itself'
        }
      }
    }
  }
  return undefined
}
