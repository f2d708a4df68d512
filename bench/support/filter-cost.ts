import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { builtTool } from './tools.js'

type Programs = Record<string, { runs: number; nanoseconds: number }>

/** The time spent in ringtap's eBPF socket filters, as measured by the kernel (bench/native/filter_cost.cpp). */
export class FilterCost {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  #before: Programs = {}
  /** Why the time cannot be measured. */
  missing: string | undefined

  private constructor() {
    this.#child = spawn(builtTool('filter_cost'), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin?.on('error', () => {})
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  /** Makes the kernel measure all eBPF programs until {@link end}, which costs each run some nanoseconds. */
  static async start(): Promise<FilterCost> {
    const self = new FilterCost()
    self.missing = (await self.#answer<{ missing?: string }>()).missing
    return self
  }

  async mark(): Promise<void> {
    this.#before = await this.#read()
  }

  /** Nanoseconds per run since the mark, of the program that ran most often; NaN if none ran. */
  async perRun(): Promise<number> {
    let maxRuns = 0
    let cost = Number.NaN
    for (const [id, { runs, nanoseconds }] of Object.entries(await this.#read())) {
      const before = this.#before[id] ?? { runs: 0, nanoseconds: 0 }
      if (runs - before.runs <= maxRuns) continue
      maxRuns = runs - before.runs
      cost = (nanoseconds - before.nanoseconds) / maxRuns
    }
    return cost
  }

  end(): void {
    this.#child.stdin?.end()
  }

  async #read(): Promise<Programs> {
    if (this.missing !== undefined) return {}
    this.#child.stdin?.write('\n')
    return await this.#answer<Programs>()
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next()
    if (done) throw new Error('filter_cost has ended')
    return JSON.parse(value) as T
  }
}
