import { CaptureError } from '../errors.js'
import type { NormalisedOptions } from './capture-options.js'
import type { CaptureStats } from './capture-stats.js'

/** The warnings about what the options asked for and the opened ring does not provide. @internal */
export function* ringWarnings(
  options: NormalisedOptions['native'],
  ring: CaptureStats['ring'],
): Generator<CaptureError, void> {
  if (options.dedupe && ring.table === 'classic') {
    yield new CaptureError(
      'ERR_OPTION',
      'dedupe goes by topology alone, because the table of interfaces has its classic form (eBPF needs CAP_BPF): ' +
        'routed packets are delivered as they come in and as they leave',
    )
  }
  const wanted = options.blockCount * options.ringCount
  if (!options.pcap && ring.blockCount < wanted) {
    yield new CaptureError(
      'ERR_SYSTEM',
      `the kernel had memory for ${ring.blockCount} of ${wanted} blocks: the ring has ${ring.memory} bytes`,
    )
  }
}
