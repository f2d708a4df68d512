/** What the sanitizers, and the addon built with them, are told by (scripts/test-sanitized.mjs). */
const passedOn = ['RINGTAP_PREBUILD', 'LD_PRELOAD', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS']

/**
 * The environment for a child process that may be another user: without what tap adds for every child, because its
 * reports go where that user may not write.
 */
export function bareEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name of ['PATH', ...passedOn]) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return environment
}

/**
 * The environment for programs that have none of our code in them: without the sanitizer's runtime, under which some
 * hang, capinfos for one.
 */
export function witnessEnvironment(): NodeJS.ProcessEnv {
  const { LD_PRELOAD: _, ...environment } = process.env
  return environment
}
