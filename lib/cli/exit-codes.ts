/** Exit codes of the command, the same in every subcommand. `ringtap --help` lists them. */
export const ExitCode = {
  /** Done. Also when Ctrl-C has ended a capture, and when the reader of the output is gone. */
  Ok: 0,
  /** It failed: a file is damaged or missing, a system call failed, frames were refused. */
  Failed: 1,
  /** The command line is wrong: an unknown option, a bad filter or pattern. */
  Usage: 2,
  /** This process may not capture or send, or cannot in this environment. `ringtap doctor` says what is missing. */
  Denied: 3,
} as const

/** Each code with its meaning, for the help and the manual page. */
export const exitCodes: readonly (readonly [code: number, text: string])[] = [
  [ExitCode.Ok, 'done, also when Ctrl-C ended a capture or the output was closed'],
  [ExitCode.Failed, 'failed: a file is damaged or missing, a system call failed'],
  [ExitCode.Usage, 'the command line is wrong: an unknown option, a bad filter or pattern'],
  [ExitCode.Denied, 'no permission to capture or send here; see "ringtap doctor"'],
]

export const exitCodesHelp = `Exit codes:\n${exitCodes.map(([code, text]) => `  ${code}  ${text}`).join('\n')}`
