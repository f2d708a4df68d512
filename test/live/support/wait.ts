/** How much longer than elsewhere things may take here: under a sanitizer, everything does. */
export const patience = Number(process.env['RINGTAP_PATIENCE'] ?? 1)

/** Resolves after some milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Holds up the event loop, as a busy program does. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

/**
 * Waits until the predicate holds, asking again and again.
 *
 * @param predicate Its first result that is neither false, undefined nor null is returned. What it throws is thrown on.
 * @param what What is waited for, for the error: "all packets", "the interface event".
 * @param ms Patience, not an expectation: long enough that only a fault exceeds it. A function that describes how far
 *   it came may follow, for the error.
 * @throws Error that says what did not come to pass.
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
 * Waits until a measure (compared as JSON) has stayed the same for a while.
 *
 * @returns its last value
 * @throws Error if it never comes to rest.
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

/**
 * The promise, or an error if it is not settled in time.
 */
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
