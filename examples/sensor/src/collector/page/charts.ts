/** Charts of rates over time. */
import type UPlot from 'uplot'
import { element } from './elements.js'
import { axisTime } from './format.js'

declare const uPlot: typeof UPlot

export interface Line {
  readonly label: string
  readonly values: readonly (number | null)[]
}

export interface ChartOptions {
  readonly title: string
  /** A value as text: on the axis, and in the legend. */
  readonly format: (value: number) => string
  /** The lowest value at which the axis may end. */
  readonly minTop: number
  /** Values from which on a line is drawn across, with its colour. */
  readonly limits?: readonly { readonly value: number; readonly color: string }[]
}

const palette = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6', '--line-7', '--line-8']

/** A chart that has the width of its place, and the colours of the page. */
export class Chart {
  readonly root: HTMLElement
  readonly #place = element('div', { class: 'plot' })
  readonly #options: ChartOptions
  #plot: UPlot | undefined
  #labels = ''
  #times: readonly number[] = []
  #lines: readonly Line[] = []

  constructor(options: ChartOptions) {
    this.#options = options
    this.root = element('figure', { class: 'chart' }, element('figcaption', {}, options.title), this.#place)
    new ResizeObserver(() => this.#resize()).observe(this.#place)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw(true))
  }

  /** Times are milliseconds since 1970-01-01 UTC. */
  show(times: readonly number[], lines: readonly Line[]): void {
    this.#times = times.map((time) => time / 1000)
    this.#lines = lines
    this.#draw(false)
  }

  #draw(anew: boolean): void {
    const labels = this.#lines.map(({ label }) => label).join('\n')
    const data = [[...this.#times], ...this.#lines.map(({ values }) => [...values])] as UPlot.AlignedData
    if (this.#plot && labels === this.#labels && !anew) {
      this.#plot.setData(data)
      return
    }
    this.#plot?.destroy()
    this.#plot = undefined
    this.#labels = labels
    const width = this.#place.clientWidth
    if (width > 0) this.#plot = new uPlot(this.#settings(width), data, this.#place)
  }

  #resize(): void {
    const width = this.#place.clientWidth
    if (width === 0) return
    if (!this.#plot) this.#draw(true)
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: this.#plot.height })
  }

  #settings(width: number): UPlot.Options {
    const { format, minTop, limits = [] } = this.#options
    const axis = { stroke: color('--muted'), grid: { stroke: color('--grid'), width: 1 }, ticks: { show: false } }
    return {
      width,
      height: 220,
      legend: { live: true },
      cursor: { points: { size: 7 } },
      scales: { y: { range: (_, __, max) => [0, Math.max(minTop, max * 1.1)] } },
      axes: [
        { ...axis, space: 80, values: axisTimes },
        { ...axis, size: 76, values: (_, values) => values.map(format) },
      ],
      series: [
        {
          value: (_, time) => (time === null || time === undefined ? '–' : new Date(time * 1000).toLocaleTimeString()),
        },
        ...this.#lines.map(({ label }, at) => ({
          label,
          stroke: color(palette[at % palette.length]!),
          width: 2,
          points: { show: false },
          spanGaps: false,
          value: (_: UPlot, value: number | null) => (value === null || value === undefined ? '–' : format(value)),
        })),
      ],
      hooks: { draw: [(plot) => drawLimits(plot, limits)] },
    }
  }
}

function drawLimits(plot: UPlot, limits: NonNullable<ChartOptions['limits']>): void {
  const { ctx: context, bbox } = plot
  for (const limit of limits) {
    const y = plot.valToPos(limit.value, 'y', true)
    if (y < bbox.top) continue
    context.save()
    context.strokeStyle = color(limit.color)
    context.lineWidth = devicePixelRatio
    context.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio])
    context.beginPath()
    context.moveTo(bbox.left, y)
    context.lineTo(bbox.left + bbox.width, y)
    context.stroke()
    context.restore()
  }
}

function axisTimes(plot: UPlot, splits: readonly number[]): string[] {
  const { min = 0, max = 0 } = plot.scales.x ?? {}
  return splits.map((time) => axisTime(time * 1000, (max ?? 0) - (min ?? 0)))
}

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
