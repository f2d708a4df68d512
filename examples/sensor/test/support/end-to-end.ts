// What every end-to-end test demands at its end.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { Lab } from '../../src/demo/lab.js'
import type { FinalLine, Line, Program } from '../../src/demo/program.js'
import { eachStored } from '../../src/demo/stored.js'

/** A lab that ends with the test. */
export async function labFor(t: Test, containers: number): Promise<Lab> {
  const directory = mkdtempSync(path.join(tmpdir(), 'ringtap-end-to-end-'))
  const lab = await Lab.create({ directory, containers })
  t.teardown(async () => {
    await lab.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return lab
}

export function sumOf(lost: Readonly<Record<string, number>>): number {
  return Object.values(lost).reduce((sum, packets) => sum + packets, 0)
}

export interface Outcome {
  readonly final: FinalLine
  readonly sent: number
  readonly stored: number
  readonly lost: number
}

/**
 * Stops the sensor, and demands: every frame was seen on the pair of its sender and that of its receiver by the kernel's
 * count; each of those is stored once, or lost by a cause that the sensor names; none is stored twice.
 */
export async function settle(t: Test, lab: Lab, sensor: Program): Promise<Outcome> {
  const sent = await lab.sent()
  t.equal(sent, 2 * lab.talked, "the kernel's count of frames on the containers' pairs")
  const code = await sensor.stop()
  t.equal(code, 0, code === 0 ? 'exit code of the sensor' : sensor.log())
  const { final } = sensor
  const seen = new Set<string>()
  const stored = await eachStored(lab.store, ({ interface: { name }, direction, data }) => {
    seen.add(`${name} ${direction} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32BE(42)}`)
  })
  const lost = sumOf(final.lost)
  t.equal(seen.size, stored, 'none is stored twice')
  t.equal(final.captured + final.recovered, final.stored + final.spooled + lost, 'the accounts of the sensor')
  t.equal(final.spooled, 0)
  t.equal(sent, stored + lost, `sent ${sent} = stored ${stored} + lost ${lost} (${JSON.stringify(final.lost)})`)
  return { final, sent, stored, lost }
}

/** Resolves to the first `statistics` of the sensor, of those to come, for which the condition holds. */
export async function figures(sensor: Program, condition: (line: Line) => boolean): Promise<Line> {
  for (let skip = sensor.lines.length; ; ) {
    const line = await sensor.said(/^statistics$/, skip)
    if (condition(line)) return line
    skip = sensor.lines.indexOf(line) + 1
  }
}
