import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { settings } from '../support/consumer.js'
import { options } from '../support/options.js'
import { missingProgram } from '../support/tools.js'
import type { Program } from './flooded.js'
import type { RecordTrial } from './record.trial.js'

/** A recording program. */
export interface Recorder extends Program {
  name: string
  /** Why it cannot take part. */
  missing?: string | undefined
}

function versionOf(program: string): string {
  const { stdout = '', stderr = '' } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return `${program} ${/\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? ''}`
}

/** All recorders of the comparison, writing what the interface receives to `path`. */
export function recorders(name: string, path: string): Recorder[] {
  const mebibytes = settings.memory / 2 ** 20
  const snap = String(settings.snapshotLength)
  const ringtap = (title: string, memory: RecordTrial['memory']): Recorder => ({
    name: `ringtap, ${title}`,
    command: process.execPath,
    args: [
      fileURLToPath(new URL('record.trial.js', import.meta.url)),
      JSON.stringify({ interface: name, path, memory } satisfies RecordTrial),
    ],
    ready: 'ready',
  })
  const all: Recorder[] = [
    ringtap(`${mebibytes} MiB`, 'equal'),
    ringtap('default memory', 'default'),
    {
      name: `${versionOf('tcpdump')}, ${mebibytes} MiB`,
      command: 'tcpdump',
      args: ['-n', '-Z', 'root', '-i', name, '-s', snap, '-B', String(mebibytes * 1024), '-w', path],
      ready: 'listening on',
      missing: missingProgram('tcpdump'),
    },
    {
      name: `${versionOf('dumpcap')}, ${mebibytes} MiB`,
      command: 'dumpcap',
      args: ['-q', '-i', name, '-s', snap, '-B', String(mebibytes), '-w', path],
      ready: 'File:',
      missing: missingProgram('dumpcap'),
    },
  ]
  return all
    .filter((recorder) => recorder.name.includes(options.only))
    .map((recorder) => ({ ...recorder, missing: recorder.missing ?? missingProgram('capinfos') }))
}
