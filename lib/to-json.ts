/**
 * Gives an object a `toJSON()` that does not show up among its properties, and freezes it. JSON then has each bigint as
 * decimal digits, as it has none itself, and each Uint8Array in base64, where JSON.stringify() would write an object
 * with a property for each byte.
 *
 * @internal
 */
export function freezeWithJson<T extends object>(object: T): T {
  Object.defineProperty(object, 'toJSON', { value: toJson })
  return Object.freeze(object)
}

function toJson(this: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(this).map(([key, value]) => [key, representable(value)]))
}

function representable(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (Array.isArray(value)) return value.map(representable)
  if (typeof value === 'object' && value !== null && !('toJSON' in value)) return toJson.call(value)
  return value
}
