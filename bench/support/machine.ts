import { availableParallelism, cpus, release } from 'node:os'
import { checkCapture } from 'ringtap'

/** The machine's properties that affect the figures, on one line, without the host name or paths of its file system. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() || process.arch
  const { libpcap = 'of unknown version' } = checkCapture()
  return `${model}, ${availableParallelism()} cores; Linux ${release()}; Node ${process.version.slice(1)}; libpcap ${libpcap}`
}
