/** Factor for all time limits: greater than 1 under a sanitizer, where everything is slower. */
export const patience = Number(process.env['RINGTAP_PATIENCE'] ?? 1)

/** Resolves after this many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Blocks the event loop for this long, as a busy program does. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

/**
 * Polls the predicate until it holds.
 *
 * @param predicate Its first result other than false, undefined or null is returned. Its exceptions are passed on.
 * @param what What is awaited, for the error message: "all packets", "the interface event".
 * @param ms Time limit, long enough that only a fault exceeds it. May be followed by a function that describes the
 *   progress so far, for the error message.
 * @throws Error that names what did not happen.
 */
export async function waitUntil<T>(
  predicate: () => T | Promise<T>,
  what: string,
  ms = 20_000,
  progress?: () => unknown,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + ms * patience
  for (;;) {
    const value = await predicate()
    if (value !== false && value !== undefined && value !== null) return value as NonNullable<Exclude<T, false>>
    if (performance.now() >= end) {
      const soFar = progress ? `; so far: ${JSON.stringify(progress())}` : ''
      throw new Error(`waited ${(ms * patience) / 1000} s in vain for ${what}${soFar}`)
    }
    await sleep(5)
  }
}

/**
 * Waits until a value (compared as JSON) has not changed for a while.
 *
 * @returns its last value
 * @throws Error if it keeps changing.
 */
export async function waitUntilStable<T>(
  measure: () => T | Promise<T>,
  what: string,
  quietMs = 150,
  ms = 20_000,
): Promise<T> {
  let value = await measure()
  let since = performance.now()
  await waitUntil(
    async () => {
      const next = await measure()
      if (JSON.stringify(next) !== JSON.stringify(value)) since = performance.now()
      value = next
      return performance.now() - since >= quietMs
    },
    `${what} to come to rest`,
    ms,
    () => value,
  )
  return value
}

/** Returns the promise's result; rejects if it is not settled in time. */
export async function within<T>(promise: Promise<T>, what: string, ms = 20_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const all = ms * patience
    timer = setTimeout(() => reject(new Error(`waited ${all / 1000} s in vain for ${what}`)), all)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
