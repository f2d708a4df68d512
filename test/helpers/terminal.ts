import { spawnSync } from 'node:child_process'
import { command, shell } from './command.js'

let terminals = 0

/** How long to wait for something to be shown, milliseconds. */
const patience = 20_000 * Number(process.env['RINGTAP_PATIENCE'] ?? 1)

/** A terminal with a shell in it, in which a person would type: tmux(1). */
export class Terminal {
  readonly #socket = `ringtap-${process.pid}-${++terminals}`

  /**
   * @param size Columns and rows.
   * @param env Additional variables of the shell. `$R` is the command `ringtap` there.
   */
  constructor(
    t: { teardown(end: () => void): unknown },
    [columns, rows]: readonly [number, number] = [80, 24],
    env: Record<string, string> = {},
  ) {
    t.teardown(() => this.#tmux(['kill-server']))
    const { TMUX: _, ...environment } = shell({
      ...env,
      PROMPT_COMMAND: "PS1='$ '",
      R: `${process.execPath} ${command}`,
    })
    this.#run(
      ['-f', '/dev/null', '-u', 'new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, 'bash --norc --noprofile -i'],
      environment,
    )
    // What is typed before the prompt is there is shown twice.
    const end = performance.now() + patience
    while (!/^\$$/m.test(this.text)) {
      if (performance.now() > end) throw new Error('the shell gives no prompt')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }

  /** Types text, and presses keys by tmux's names: `Enter`, `C-c`, `Up`. */
  keys(...keys: string[]): void {
    this.#run(['send-keys', ...keys])
  }

  /** Types a command line and presses Enter. */
  type(line: string): void {
    this.#run(['send-keys', '-l', line])
    this.keys('Enter')
  }

  resize(columns: number, rows: number): void {
    this.#run(['resize-window', '-x', `${columns}`, '-y', `${rows}`])
  }

  /** The lines that are shown, without spaces at their ends. */
  get lines(): string[] {
    return this.#run(['capture-pane', '-p'])
      .split('\n')
      .map((line) => line.trimEnd())
      .slice(0, -1)
  }

  get text(): string {
    return this.lines.join('\n')
  }

  /** The same with escape codes for colours. */
  get codes(): string {
    return this.#run(['capture-pane', '-p', '-e'])
  }

  /** What a full-screen program changes. */
  get state() {
    const [alternate, cursor, wrap] = this.#run([
      'display-message',
      '-p',
      '#{alternate_on} #{cursor_flag} #{wrap_flag}',
    ])
      .trim()
      .split(' ')
    return { alternate: alternate === '1', cursor: cursor === '1', wrap: wrap === '1' }
  }

  /** Resolves with the text when it matches. */
  async shows(what: RegExp): Promise<string> {
    const end = performance.now() + patience
    for (;;) {
      const { text } = this
      if (what.test(text)) return text
      if (performance.now() > end) throw new Error(`waited in vain for ${what}; the terminal shows:\n${text}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  #run(args: readonly string[], env = process.env): string {
    const { status, stdout, stderr, error } = this.#tmux(args, env)
    if (error) throw new Error(`tmux cannot be run: ${error.message} (these tests need tmux)`)
    if (status !== 0) throw new Error(`tmux ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  #tmux(args: readonly string[], env = process.env) {
    return spawnSync('tmux', ['-L', this.#socket, ...args], { encoding: 'utf8', env })
  }
}
