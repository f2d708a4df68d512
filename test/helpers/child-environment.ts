/** Variables that configure the sanitizers and select the addon built with them (scripts/test-sanitized.mjs). */
const passedOn = ['RINGTAP_PREBUILD', 'LD_PRELOAD', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS']

/**
 * The environment for a child process that may run as another user, without the variables tap adds for every child:
 * that user may not be allowed to write where tap's reports go.
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
 * The environment for programs that do not load the addon, without the sanitizer's runtime, with which some hang
 * (capinfos, for example) and all take ten times as long to start.
 */
export function witnessEnvironment(): NodeJS.ProcessEnv {
  const { LD_PRELOAD: _, ...environment } = process.env
  return environment
}
