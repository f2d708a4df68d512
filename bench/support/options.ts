import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: {
    trials: { type: 'string', default: '3' },
    markdown: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    size: { type: 'string', default: '' },
    frame: { type: 'string', default: '' },
    seconds: { type: 'string', default: '' },
    rate: { type: 'string', default: '' },
  },
  allowPositionals: true,
})

/**
 * The command line of the benchmarks: `[part…] [--trials N] [--markdown] [--only TEXT] [--size BYTES] [--frame BYTES]
 * [--rate MILLIONS,…] [--seconds N]`.
 */
export const options = {
  parts: positionals,
  /** Trials per figure, at least 3 (1 with `--only`). */
  trials: Math.max(values.only ? 1 : 3, Number(values.trials) || 0),
  /** Only consumers whose name contains this text: for profiling. */
  only: values.only,
  /** Size of the files to read, in bytes. Default 10^9. */
  size: Number(values.size) || 1e9,
  /** Only frames of this size (`record`); 0: of every size. */
  frame: Number(values.frame) || 0,
  /** How long `dissect` captures, in seconds. Default 60. */
  seconds: Number(values.seconds) || 60,
  /** Only these rates, in millions of packets a second (`record`, `load`); 0: as many as possible; empty: all. */
  rates: values.rate === '' ? [] : values.rate.split(',').map(Number),
  /** Print tables in Markdown. */
  markdown: values.markdown,
}
