/** Exit codes of the command, the same in every subcommand. `ringtap --help` lists them. */
export const ExitCode = {
  /** Done. Also after Ctrl-C, and when the reader of the output is gone. */
  Ok: 0,
  /** It failed: a file is damaged or missing, a system call failed, frames were refused. */
  Failed: 1,
  /** The command line is wrong: an unknown option, a bad filter or pattern. */
  Usage: 2,
  /** This process may not capture or send, or cannot in this environment. `ringtap doctor` says what is missing. */
  Denied: 3,
} as const

export const exitCodesHelp = `Exit codes:
  0  done, also after Ctrl-C and when the reader of the output is gone
  1  failed: a file is damaged or missing, a system call failed
  2  the command line is wrong: an unknown option, a bad filter or pattern
  3  no permission to capture or send here; "ringtap doctor" shows what is missing`
