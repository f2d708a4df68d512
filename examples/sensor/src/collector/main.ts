#!/usr/bin/env node
/**
 * The collector. Exit codes: 0: stopped by a signal; 1: the system refused, or a fault; 2: the configuration is wrong.
 */
import { readFileSync } from 'node:fs'
import { Log } from '../common/log.js'
import { printable } from '../common/printable.js'
import type { Mistake } from '../common/variables.js'
import { Collector } from './collector.js'
import { KeysError } from './keys.js'
import { NatsSource } from './nats-source.js'
import { readSettings, type Settings } from './settings.js'

async function main(): Promise<number> {
  const result = readSettings(process.env)
  if ('mistakes' in result) return refuse(result.mistakes)
  const { settings } = result
  const log = Log.open({ level: settings.level })
  for (const name of settings.unknown) log.warn(`${name} is not a setting of the collector`)
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
  })
  try {
    const collector = await Collector.start(settings, log)
    try {
      const source = openSource(settings, collector, log)
      log.info(`ends: ${await stopped}`)
      await source?.close()
    } finally {
      await collector.close()
    }
    return 0
  } catch (error) {
    if (error instanceof KeysError) return refuse([{ variable: 'COLLECTOR_KEYS', message: error.message }])
    log.error((error as Error).message)
    return 1
  }
}

/** Takes messages from NATS as well, if its URL is set. */
function openSource({ nats }: Settings, { intake }: Collector, log: Log): NatsSource | undefined {
  if (!nats) return undefined
  const { url, credentials: file } = nats
  const credentials = file === undefined ? undefined : readFileSync(file, 'utf8')
  return new NatsSource({ settings: { url, credentials }, intake, onEvent: (level, text) => log[level](text) })
}

function refuse(mistakes: readonly Mistake[]): number {
  for (const { variable, message } of mistakes) process.stderr.write(`error: ${variable} ${printable(message)}\n`)
  return 2
}

process.exitCode = await main()
