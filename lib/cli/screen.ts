import { closeSync, openSync } from 'node:fs'
import { ReadStream } from 'node:tty'

/** What a terminal is set to while a full-screen program runs: alternate screen, no cursor, no automatic line breaks. */
const enterCodes = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J'
const leaveCodes = '\x1b[?7h\x1b[?25h\x1b[?1049l'

const keyNames: Readonly<Record<string, string>> = {
  '\x1b[A': 'up',
  '\x1bOA': 'up',
  '\x1b[B': 'down',
  '\x1bOB': 'down',
  '\x1b[5~': 'page-up',
  '\x1b[6~': 'page-down',
  '\x1b[H': 'home',
  '\x1bOH': 'home',
  '\x1b[1~': 'home',
  '\t': 'tab',
  '\x03': 'interrupt',
  '\x04': 'interrupt',
  '\x0c': 'redraw',
  '\x1a': 'suspend',
}

/** The keys in what a terminal has sent: a name, or the character itself. */
function keysIn(text: string): string[] {
  const [plain = '', ...escaped] = text.split('\x1b')
  const keys = [...plain]
  for (const part of escaped) {
    // CSI and SS3 sequences (ECMA-48).
    const sequence = /^(\[[0-9;]*[ -/]*[@-~]|O[@-~])/.exec(part)?.[0] ?? ''
    keys.push(`\x1b${sequence}`, ...part.slice(sequence.length))
  }
  return keys.map((key) => keyNames[key] ?? key)
}

export interface ScreenEvents {
  /** A key was pressed. */
  key(name: string): void
  /** All that is shown must be drawn again: the size has changed, or the program is in the foreground again. */
  redraw(): void
}

/**
 * The whole terminal. It is restored by {@link close}, when the process exits in whichever way it can notice, and while the
 * process is stopped (Ctrl-Z, SIGTSTP).
 */
export class Screen {
  readonly #events: ScreenEvents
  readonly #output = process.stdout
  /** Where keys come from: standard input, or the terminal itself where that is something else. */
  readonly #input: ReadStream | undefined
  #shown = false
  #closed = false
  readonly #leave = () => this.#hide()
  readonly #suspend = () => this.#stop()
  readonly #resume = () => this.#show(true)
  readonly #resize = () => {
    if (this.#shown) this.#events.redraw()
  }
  readonly #read = (bytes: Buffer) => {
    for (const key of keysIn(bytes.toString('latin1'))) this.#press(key)
  }

  constructor(events: ScreenEvents) {
    this.#events = events
    this.#input = process.stdin.isTTY ? process.stdin : controllingTerminal()
    process.on('exit', this.#leave)
    process.on('SIGTSTP', this.#suspend)
    process.on('SIGCONT', this.#resume)
    this.#output.on('resize', this.#resize)
    this.#input?.on('data', this.#read)
    // The terminal is gone: SIGHUP ends the program.
    this.#input?.on('error', () => undefined)
    this.#show(false)
  }

  get columns(): number {
    return this.#output.columns || 80
  }

  get rows(): number {
    return this.#output.rows || 24
  }

  /** Replaces what is shown, in one write and without clearing first, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (!this.#shown) return
    const shown = lines.slice(0, this.rows)
    // Each line is erased before it is written: behind a line as wide as the terminal, the cursor is still on its last character.
    this.#output.write(`\x1b[H${shown.map((line) => `\x1b[2K${line}`).join('\r\n')}\x1b[0m`)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#hide()
    process.off('exit', this.#leave)
    process.off('SIGTSTP', this.#suspend)
    process.off('SIGCONT', this.#resume)
    this.#output.off('resize', this.#resize)
    this.#input?.off('data', this.#read)
    this.#input?.pause()
    if (this.#input !== process.stdin) this.#input?.destroy()
  }

  #press(key: string): void {
    if (key === 'suspend') process.kill(0, 'SIGTSTP')
    else if (key === 'redraw') this.#show(true)
    else this.#events.key(key)
  }

  #show(again: boolean): void {
    if (again) {
      // A program that ran meanwhile may have changed the mode, and Node does nothing if it has set the same before.
      this.#input?.setRawMode(false)
    }
    this.#input?.setRawMode(true)
    this.#output.write(enterCodes)
    this.#shown = true
    if (again) this.#events.redraw()
  }

  #hide(): void {
    if (!this.#shown) return
    this.#shown = false
    this.#output.write(leaveCodes)
    this.#input?.setRawMode(false)
  }

  /** Stops the process as SIGTSTP does by default. */
  #stop(): void {
    this.#hide()
    process.off('SIGTSTP', this.#suspend)
    process.kill(process.pid, 'SIGTSTP')
    // Runs when the process goes on; at once if it cannot be stopped, because no shell could let it go on.
    setTimeout(() => {
      if (this.#closed) return
      process.on('SIGTSTP', this.#suspend)
      if (!this.#shown) this.#show(true)
    }, 100)
  }
}

function controllingTerminal(): ReadStream | undefined {
  let descriptor: number
  try {
    descriptor = openSync('/dev/tty', 'r')
  } catch {
    return undefined
  }
  try {
    return new ReadStream(descriptor)
  } catch {
    closeSync(descriptor)
    return undefined
  }
}
