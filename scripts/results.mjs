// Collects the results of a run's stages in the file named by RINGTAP_RESULTS (set by .ci/run), one line of JSON each,
// and prints the summary.
//
//   node scripts/results.mjs STATUS   prints them; STATUS is the exit code of the run
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/**
 * Adds a stage's result if the run collects them.
 *
 * @param result {{ name: string, passed: number, failed: number, skipped?: number, seconds: number,
 *                  files?: { name: string, seconds: number }[] }}
 */
export function addResult(result) {
  const file = process.env.RINGTAP_RESULTS
  if (file) appendFileSync(file, `${JSON.stringify(result)}\n`)
}

/**
 * Formats the summary: a line for each stage, the ten slowest files, and as the last line `N passed, N failed`, with `,
 * N skipped` if any were. A run that failed outside a test (in an installation or a build) counts as one failure.
 *
 * @param results the results added by the stages
 * @param status the exit code of the run
 */
export function closingLines(results, status) {
  const sum = (key) => results.reduce((total, result) => total + (result[key] ?? 0), 0)
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  const counts = (a, b, c) => `${a} passed, ${b} failed${c ? `, ${c} skipped` : ''}`
  const time = (seconds) => `${seconds.toFixed(0).padStart(5)} s`
  const slowest = results
    .flatMap(({ name, files }) => (files ?? []).map((file) => ({ ...file, stage: name })))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 10)
  return [
    ...results.map((one) => `${time(one.seconds)}  ${one.name}: ${counts(one.passed, one.failed, one.skipped)}`),
    ...(slowest.length > 0 ? ['', 'The slowest:'] : []),
    ...slowest.map(({ name, seconds, stage }) => `${time(seconds)}  ${name} (${stage})`),
    '',
    counts(passed, status !== 0 && failed === 0 ? 1 : failed, skipped),
  ]
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const file = process.env.RINGTAP_RESULTS
  const text = file && existsSync(file) ? readFileSync(file, 'utf8') : ''
  const results = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  const nothing = results.every(({ passed }) => passed === 0)
  const status = Number(process.argv[2] ?? 0) || Number(nothing)
  console.log(closingLines(results, status).join('\n'))
  process.exitCode = status
}
