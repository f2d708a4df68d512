import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: {
    trials: { type: 'string', default: '3' },
    markdown: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
  allowPositionals: true,
})

/** The command line of the benchmarks: `[part…] [--trials N] [--markdown] [--only TEXT]`. */
export const options = {
  parts: positionals,
  /** Trials behind each figure, at least 3. */
  trials: Math.max(values.only ? 1 : 3, Number(values.trials) || 0),
  /** Only consumers of packets with this in their name: for profiling. */
  only: values.only,
  /** Print tables in Markdown. */
  markdown: values.markdown,
}
