import { bar, duration, grouped, metric, type StatusLine } from './terminal.js'

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
    status.show(`${share}${grouped(packets)} packets, ${metric(rate)}B/s${left}`)
  }
}
