/** The sensor as a process of its own, which ends with the test at the latest. */
import type { Test } from 'tap'
import { Program } from '../../src/demo/program.js'

/** `environment` alone is what it has of settings; `wrapper`: a command that runs it. */
export function startSensor(
  t: Test,
  environment: Readonly<Record<string, string>>,
  wrapper: readonly string[] = [],
): Program {
  const sensor = new Program('sensor', { environment, wrapper })
  t.teardown(() => sensor.kill('SIGKILL'))
  return sensor
}
