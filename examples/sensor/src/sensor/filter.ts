/** The filter expression of the capture: the user's, and what the sensor adds to it. */

/**
 * All conditions in parentheses; `undefined`: none. The user's expression has been checked alone, so that it cannot end
 * its parentheses.
 */
export function combine(parts: readonly (string | undefined)[]): string | undefined {
  const conditions = parts.filter((part) => part !== undefined)
  return conditions.length === 0 ? undefined : conditions.map((condition) => `(${condition})`).join(' and ')
}
