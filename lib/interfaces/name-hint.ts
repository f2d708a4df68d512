/** Whether a text has characters that are for patterns, and unlikely in the name of an interface. @internal */
export function looksLikePattern(name: string): boolean {
  return slashed.test(name) || /[\^$*|\\?[\]()]/.test(name)
}

/** A regular expression as JavaScript writes it. */
const slashed = /^\/.*\/[a-z]*$/

/**
 * The option `interfaces` that selects by the pattern that a name was probably meant to be, as source text.
 *
 * @internal
 */
export function asPattern(name: string): string {
  if (slashed.test(name)) return `{ include: ${name} }`
  if (name === '*') return '{}'
  // As shells write it. A pattern is searched for anywhere in the name: it needs an anchor, and no asterisk.
  const prefix = /^([\w.-]+)\*$/.exec(name)?.[1]
  return `{ include: ${JSON.stringify(prefix === undefined ? name : `^${prefix.replaceAll('.', '\\.')}`)} }`
}

/**
 * What to write instead of names that no interface has, where they are likely to mean something else.
 *
 * @returns Text that continues a message, or ''.
 * @internal
 */
export function nameHint(names: readonly string[]): string {
  const pattern = names.find(looksLikePattern)
  if (pattern !== undefined) return `; a name is taken as it is: for a pattern write ${asPattern(pattern)}`
  for (const name of names) {
    const list = name.split(/[\s,]+/).filter((one) => one !== '')
    if (list.length > 1) return `; for several interfaces write ${JSON.stringify(list)}`
  }
  return ''
}
