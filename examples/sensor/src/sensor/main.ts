#!/usr/bin/env node
/**
 * The sensor. Exit codes: 0: stopped by a signal, every packet accounted for; 1: the system refused, or a fault; 2: the
 * configuration is wrong; 3: the accounts do not balance; 4: ended at once by a second signal, or after 30 seconds.
 */
import { writeFileSync } from 'node:fs'
import { Log } from '../common/log.js'
import { printable } from '../common/printable.js'
import type { Mistake } from '../common/variables.js'
import { HttpsTransport } from '../transport/https.js'
import { NatsTransport } from '../transport/nats.js'
import type { Transport } from '../transport/transport.js'
import { Sensor, type TransportEvents } from './sensor.js'
import { readSettings, type Settings } from './settings.js'

const version = '0.1.0'

async function main(): Promise<number> {
  const result = await readSettings(process.env)
  if ('mistakes' in result) return refuse(result.mistakes)
  const { settings } = result
  const start = await prepare(settings)
  if ('mistakes' in start) return refuse(start.mistakes)
  const { log, sensor } = start
  for (const name of settings.unknown) log.warn(`${name} is not a setting of the sensor`)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => sensor.stop(signal))
  process.on('SIGHUP', () => log.reopen())
  try {
    const { balanced, failed } = await sensor.run()
    if (!balanced) return 3
    if (failed) return 1
    return sensor.forced ? 4 : 0
  } catch (error) {
    log.error((error as Error).message)
    return 1
  }
}

/** Opens what the settings name; what cannot be opened is a mistake in them. */
async function prepare(
  settings: Settings,
): Promise<{ readonly mistakes: readonly Mistake[] } | { readonly log: Log; readonly sensor: Sensor }> {
  const mistakes: Mistake[] = []
  const attempt = async <Result>(variable: string, open: () => Result | Promise<Result>) => {
    try {
      return await open()
    } catch (error) {
      mistakes.push({ variable, message: (error as Error).message })
      return undefined
    }
  }
  const { configPath, effective } = settings
  if (configPath !== undefined) {
    await attempt('OSSENSOR_CONFIG_PATH', () =>
      writeFileSync(configPath, `${JSON.stringify(effective, undefined, 2)}\n`, { mode: 0o640 }),
    )
  }
  const log = await attempt('OSSENSOR_LOGFILE_PATH', () => Log.open(settings.log))
  if (!log) return { mistakes }
  const sensor = await attempt('SENSOR_SPOOL_PATH', () =>
    Sensor.create(settings, log, version, (events) => transportOf(settings, log, events)),
  )
  return sensor && mistakes.length === 0 ? { log, sensor } : { mistakes }
}

function transportOf(settings: Settings, log: Log, { announce, onAnswer }: TransportEvents): Transport {
  const { collector, nats, key, window, name } = settings
  if (nats) {
    const { bytes, replicas, ...connection } = nats
    return new NatsTransport({
      settings: { ...connection, name },
      limits: { bytes, replicas },
      sensor: name,
      hmacKey: key,
      announce,
      onAnswer,
      onEvent: (level, text) => log[level](text),
    })
  }
  if (!collector) throw new Error('there is no collector')
  return new HttpsTransport({
    ...collector,
    clientKey: collector.key,
    key,
    window,
    announce,
    onClock: (offset) => log.warn(`the collector's clock is ${offset} ms ahead of this host's: requests have its time`),
  })
}

function refuse(mistakes: readonly Mistake[]): number {
  for (const { variable, message } of mistakes) process.stderr.write(`error: ${variable} ${printable(message)}\n`)
  return 2
}

process.exitCode = await main()
