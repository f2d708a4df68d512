import { Capture, CaptureError } from '../index.js'
import { captureOptions, filterOf, interfacesText } from './capture.js'
import type { CaptureSelection } from './command-options.js'
import { openInput } from './input.js'
import { interruptible, onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, OutputClosed, outputIsClosed, warn, whenOutputCloses, write } from './output.js'
import { Owners } from './peers.js'
import { Processes } from './process-owners.js'
import { UsageError } from './report-error.js'
import { Screen } from './screen.js'
import { oneLine, paintFor, wantsColor } from './terminal.js'
import { type Grouping, groupings, liveGroupings, type Order, orders, TrafficCounts } from './top-counts.js'
import { jsonTable, plainTable, screenLines, type TopState } from './top-view.js'

export interface TopCommandOptions extends CaptureSelection {
  readonly by: Grouping
  readonly sort?: Order
  /** Seconds. */
  readonly interval: number
  readonly once?: boolean
  readonly rows: number
}

/** Where the packets come from. */
interface Source {
  readonly text: string
  /** Packets lost; `undefined` of a file. */
  lost(): number | undefined
  /** The part that has been read, 0 to 1; `undefined` of a capture. */
  share(): number | undefined
}

/** `ringtap top`: the largest flows, hosts, ports or interfaces, on the whole terminal or as tables. */
export async function topCommand(words: string[], options: TopCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const reason = liveGroupings[options.by]
  if (options.read !== undefined && reason !== undefined)
    throw new UsageError(`--by ${options.by} is for live captures: ${reason}`)
  if (options.read !== undefined) return topOfFile(options.read, filter, options)
  const capture = await Capture.open(captureOptions(options, filter))
  const source: Source = {
    get text() {
      return interfacesText(capture, options.hotplug)
    },
    lost() {
      const { droppedByRing, droppedByOverflow } = capture.stats()
      return droppedByRing + droppedByOverflow
    },
    share: () => undefined,
  }
  const stop = () => void capture.stop().catch(() => undefined)
  const owners = new Owners(options.netns)
  const processes = new Processes(options.netns)
  const top = new Top(source, options, stop, owners, processes)
  capture.on('interface', () => void owners.refresh())
  capture.on('error', () => undefined) // The iteration fails with it too.
  capture.on('warning', (warning) => top.warn(warning.message))
  const ends = [onInterrupt(stop), whenOutputCloses(stop)]
  try {
    await owners.refresh()
    if (options.by === 'process') await top.followProcesses()
    top.start()
    for await (const chunk of capture) top.counts.add(chunk)
    await top.finish()
    top.end()
    if (!outputIsClosed()) process.stderr.write(ledgerText(await capture.stop()))
  } finally {
    top.end()
    for (const end of ends) end()
    await processes.close()
    await capture.close()
  }
}

async function topOfFile(file: string, filter: string | undefined, options: TopCommandOptions): Promise<void> {
  const savefile = await openInput(file, filter, options)
  let share = 0
  savefile.on('progress', ({ bytesDone, size }) => {
    if (size) share = bytesDone / size
  })
  const stop = () => void savefile.close()
  const top = new Top({ text: oneLine(file), lost: () => undefined, share: () => share }, options, stop)
  savefile.on('warning', (warning) => top.warn(warning.message))
  const interrupt = interruptible(() => top.quit())
  try {
    top.start()
    try {
      for await (const chunk of savefile) {
        top.counts.add(chunk)
        await top.breathe()
      }
      // On the whole terminal a signal ends it as the key does.
      if (!top.interactive) interrupt.check()
      share = 1
    } catch (error) {
      // What precedes the damage stays on the screen.
      if (!(error instanceof CaptureError) || !top.interactive) throw error
      top.warn(error.message)
      top.failure = error
    }
    await top.finish()
  } finally {
    top.end()
    interrupt.end()
    await savefile.close()
  }
}

/** Shows what is counted: on the whole terminal where there is one, otherwise as a table for each interval. */
class Top {
  counts: TrafficCounts
  /** Of a capture. */
  readonly #owners: Owners | undefined
  readonly #processes: Processes | undefined
  /** The first error that ends the command when everything has been shown. */
  failure: unknown
  readonly #source: Source
  readonly #options: TopCommandOptions
  readonly #stop: () => void
  readonly #paint = paintFor(wantsColor(process.stdout))
  readonly #isFile: boolean
  #screen: Screen | undefined
  #timer: NodeJS.Timeout | undefined
  #by: Grouping
  #order: Order
  #scroll = 0
  #paused = false
  #printed = false
  #ended = false
  #ticking: Promise<void> | undefined
  #message: string | undefined
  #began = performance.now()
  #advanced = performance.now()
  /** The counts at the last advance, and their differences to those before, in a second. */
  #sums = { packets: 0, bytes: 0, packetsPerSecond: 0, bytesPerSecond: 0 }
  #state: TopState | undefined
  #writing: Promise<void> = Promise.resolve()
  #quit: () => void = () => undefined
  readonly #whenQuit = new Promise<void>((resolve) => {
    this.#quit = resolve
  })

  constructor(source: Source, options: TopCommandOptions, stop: () => void, owners?: Owners, processes?: Processes) {
    this.#source = source
    this.#owners = owners
    this.#processes = processes
    this.counts = this.#newCounts()
    this.#options = options
    this.#stop = stop
    this.#isFile = options.read !== undefined
    this.#by = options.by
    this.#order = options.sort ?? (this.#isFile ? 'bytes' : 'rate')
  }

  /** Whether it takes the whole terminal. */
  get interactive(): boolean {
    const { once, json } = this.#options
    return process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && !once && !json
  }

  start(): void {
    if (this.interactive) this.#screen = new Screen({ key: (name) => this.#press(name), redraw: () => this.#draw() })
    else if (!this.#isFile) note(`ringtap: listening on ${this.#source.text}`)
    this.#began = this.#advanced = performance.now()
    // Of a file without a terminal there is one table, at the end.
    if (this.#screen || !this.#isFile) this.#timer = setInterval(() => this.#tick(), this.#options.interval * 1000)
    if (this.#screen) this.#tick()
  }

  /** Lets keys and the timer have their turn between the chunks of a file. */
  async breathe(): Promise<void> {
    if (this.#screen) await new Promise((resolve) => setImmediate(resolve))
  }

  /**
   * All packets have come: shows the last state, and on a terminal waits for the key that ends it, if it is of a file.
   *
   * @throws What {@link failure} holds.
   */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    await this.#ticking
    if (!this.#screen) {
      if (!this.#options.once || !this.#printed) await this.#tick()
      await this.#writing
    } else if (this.#isFile) {
      this.#paused = false
      await this.#tick()
      await this.#whenQuit
    }
    if (this.failure !== undefined) throw this.failure
  }

  /** Restores the terminal. */
  end(): void {
    this.#ended = true
    clearInterval(this.#timer)
    this.#screen?.close()
    this.#screen = undefined
  }

  quit(): void {
    this.#quit()
    this.#stop()
  }

  warn(message: string): void {
    if (this.#screen) {
      this.#message = oneLine(message)
      this.#state = undefined
      this.#draw()
    } else warn(message)
  }

  /** From now on, or from a key on, rows by process are counted. */
  async followProcesses(): Promise<void> {
    const missing = await this.#processes?.begin()
    if (missing !== undefined && !this.#ended) this.warn(missing)
  }

  /** One at a time. */
  #tick(): Promise<void> {
    this.#ticking ??= this.#show().finally(() => {
      this.#ticking = undefined
    })
    return this.#ticking
  }

  async #show(): Promise<void> {
    if (this.#paused) return
    // A veth may be there before it is moved, and the processes come last.
    if (this.#by === 'container') void this.#owners?.refresh()
    if (this.#processes?.open) await this.#processes.update()
    if (this.#ended) return
    this.#advance()
    if (this.#screen) this.#draw()
    else this.#print()
  }

  #print(): void {
    const { json, rows, once } = this.#options
    const state = this.#read()
    this.#printed = true
    const text = json ? jsonTable(state, rows) : plainTable(state, rows)
    this.#writing = this.#writing
      .then(() => write(text))
      .catch((error) => {
        if (error instanceof OutputClosed) return
        this.failure ??= error
        this.#stop()
      })
    if (once && !this.#isFile) {
      clearInterval(this.#timer)
      this.#stop()
    }
  }

  #advance(): void {
    const { counts } = this
    const now = performance.now()
    const seconds = this.#isFile ? counts.span : (now - this.#advanced) / 1000
    this.#advanced = now
    counts.advance(seconds, this.#isFile)
    const before = this.#isFile ? { packets: 0, bytes: 0 } : this.#sums
    const { packets, bytes } = counts
    this.#sums = {
      packets,
      bytes,
      packetsPerSecond: seconds > 0 ? (packets - before.packets) / seconds : 0,
      bytesPerSecond: seconds > 0 ? (bytes - before.bytes) / seconds : 0,
    }
    this.#state = undefined
  }

  /** What was counted up to the last advance. */
  #read(): TopState {
    this.#state ??= {
      ...this.#sums,
      source: this.#source.text,
      by: this.#by,
      order: this.#order,
      rows: this.counts.rows(this.#by, this.#order),
      others: this.counts.others(this.#by),
      notIp: this.counts.notIp,
      seconds: this.#isFile ? this.counts.span : (this.#advanced - this.#began) / 1000,
      lost: this.#source.lost(),
      share: this.#screen ? this.#source.share() : undefined,
      paused: this.#paused,
      message: this.#message,
    }
    return this.#state
  }

  /** What the rows may be. */
  get #groupings(): readonly Grouping[] {
    return this.#isFile ? groupings.filter((one) => liveGroupings[one] === undefined) : groupings
  }

  #newCounts(): TrafficCounts {
    return new TrafficCounts(
      (key) => this.#owners?.get(key),
      (flow) => this.#processes?.of(flow),
    )
  }

  /** Begins to count anew. */
  #clear(): void {
    this.counts = this.#newCounts()
    this.#sums = { packets: 0, bytes: 0, packetsPerSecond: 0, bytesPerSecond: 0 }
    this.#began = this.#advanced = performance.now()
    this.#scroll = 0
  }

  #draw(): void {
    const screen = this.#screen
    if (!screen) return
    const state = this.#read()
    this.#scroll = Math.max(0, Math.min(this.#scroll, state.rows.length - 1))
    screen.draw(screenLines(state, screen.columns, screen.rows, this.#scroll, this.#paint))
  }

  #press(key: string): void {
    const page = Math.max(1, (this.#screen?.rows ?? 24) - 6)
    const moves: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      'page-up': -page,
      'page-down': page,
    }
    const byKeys: Readonly<Record<string, Grouping>> = {
      f: 'flow',
      h: 'host',
      o: 'port',
      i: 'interface',
      n: 'container',
      w: 'process',
    }
    const orderKeys: Readonly<Record<string, Order>> = { r: 'rate', b: 'bytes', p: 'packets' }
    if (key === 'q' || key === 'interrupt') {
      this.quit()
      return
    }
    if (key === ' ') this.#paused = !this.#paused
    else if (key === 'g' || key === 'tab') this.#by = next(this.#groupings, this.#by)
    else if (key === 's') this.#order = next(orders, this.#order)
    else if (key === 'home') this.#scroll = 0
    else if (key in moves) this.#scroll += moves[key]!
    else if (key in byKeys && this.#groupings.includes(byKeys[key]!)) this.#by = byKeys[key]!
    else if (key in orderKeys) this.#order = orderKeys[key]!
    else if (key === 'c' && !this.#isFile) this.#clear()
    else return
    // A message stays until a key is pressed.
    this.#message = undefined
    this.#state = undefined
    if (this.#by === 'process') this.followProcesses().catch((error: Error) => this.warn(error.message))
    this.#draw()
  }
}

const next = <T>(all: readonly T[], one: T): T => all[(all.indexOf(one) + 1) % all.length]!
