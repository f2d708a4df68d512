import { availableParallelism, cpus, release } from 'node:os'
import { checkCapture } from 'ringtap'

/** What the figures depend on, on one line, without the name of the host or anything of its file system. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() || process.arch
  const { libpcap = 'of unknown version' } = checkCapture()
  return `${model}, ${availableParallelism()} cores; Linux ${release()}; Node ${process.version.slice(1)}; libpcap ${libpcap}`
}
