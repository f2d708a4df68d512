import type { Savefile } from '../index.js'
import { outputIsFile, warn } from './output.js'
import { bar, duration, grouped, quantity, type StatusLine } from './terminal.js'

/**
 * Returns a function that shows how far a file is: a bar, packets, bytes per second and the time that is left. The size of a
 * stream is not known: then without the bar.
 */
export function progressOn(status: StatusLine): (done: number, size: number | undefined, packets: number) => void {
  const begin = performance.now()
  return (done, size, packets) => {
    const rate = done / Math.max((performance.now() - begin) / 1000, 0.001)
    const share = size ? `${bar(done / size)}  ` : ''
    const left = size && rate > 0 ? `, ${duration((size - done) / rate)} left` : ''
    status.show(`${share}${grouped(packets)} packets, ${quantity(rate, 'B')}/s${left}`)
  }
}

/**
 * Shows the warnings of a savefile, and how far it is while it is iterated over. With `prints`, what comes of it goes to standard
 * output; then progress is shown only if that is a file: on a terminal the lines show it, and the reader of a pipe may use the
 * terminal.
 */
export function showReading(savefile: Savefile, status: StatusLine, prints: boolean): void {
  savefile.on('warning', ({ message }) => {
    status.clear()
    warn(message)
  })
  if (!status.active || (prints && !outputIsFile())) return
  const show = progressOn(status)
  savefile.on('progress', ({ bytesDone, size, packets }) => show(bytesDone, size, packets))
}
