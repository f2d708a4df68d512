/**
 * A sensor, its collector and traffic, in network namespaces that are gone afterwards; as root or not.
 *
 *   npm run demo
 *
 * Containers behind a bridge send to each other, one more is plugged in, and the collector is stopped and started again.
 * At a terminal this goes on until Ctrl-C; otherwise it ends by itself. Exit code 1 if what was sent is not what was stored
 * and lost.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { enterNamespace, isInside } from './demo/enter.js'
import { collectorAddress, collectorPort, Lab } from './demo/lab.js'
import { offerPage } from './demo/page.js'
import { eachStored } from './demo/stored.js'

if (isInside()) await demo()
else process.exitCode = await enterNamespace(fileURLToPath(import.meta.url))

async function demo(): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve())
    // The program outside has ended.
    process.on('disconnect', () => process.exit(130))
  })
  const directory = mkdtempSync(path.join(tmpdir(), 'ringtap-demo-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  say('a node with 4 containers behind a bridge, and a collector in another namespace behind TLS')
  const lab = await Lab.create({ directory, containers: 4 })
  const token = randomBytes(16).toString('hex')
  const settings = { COLLECTOR_TOKEN: token, COLLECTOR_TOKEN_FILE: '' }
  let collector = await lab.startCollector(settings)
  const sensor = await lab.startSensor(
    {},
    {
      onLine: ({ level, message }) =>
        message !== 'statistics' && say(`sensor: ${level === 'info' ? '' : `${level}: `}${message}`),
    },
  )
  const address = await offerPage(path.join(directory, 'page'), lab.secret('ca.crt'), collectorAddress, collectorPort)
  say(`the collector's page: ${address} (token ${token})`)

  say('the containers send to each other')
  await traffic(lab)
  say('another container is plugged in, and sends at once')
  const added = await lab.addContainer()
  await lab.talk(added, lab.containers[0]!, 1000, { rate: 0 })
  say('the collector is stopped: batches wait in the spool')
  await collector.stop()
  await traffic(lab)
  say('the collector is started again')
  collector = await lab.startCollector(settings)
  await traffic(lab)
  if (process.stdout.isTTY) {
    say('traffic until Ctrl-C')
    for (let over = false; !over; ) {
      over = await Promise.race([stopped.then(() => true), traffic(lab).then(() => false)])
    }
  }
  const sent = await lab.sent()
  // It may be waiting before it tries the collector again; stopped then, it would leave batches in its spool.
  await lab.drained(sensor)
  say('stopping the sensor')
  const code = await sensor.stop()
  await collector.stop()
  const stored = await eachStored(lab.store)
  const { lost } = sensor.final
  await lab.close()
  conclude(sent, stored, lost, code)
  process.removeAllListeners('disconnect')
  process.disconnect?.()
}

/** Each container sends to the next, for two seconds. */
async function traffic(lab: Lab): Promise<void> {
  const { containers } = lab
  await Promise.all(
    containers.map((from, i) => lab.talk(from, containers[(i + 1) % containers.length]!, 2000, { rate: 1000 })),
  )
}

function conclude(sent: number, stored: number, lost: Readonly<Record<string, number>>, code: number | string): void {
  const causes = Object.entries(lost).filter(([, packets]) => packets > 0)
  const sum = causes.reduce((total, [, packets]) => total + packets, 0)
  const text = causes.map(([cause, packets]) => `${cause} ${packets}`).join(', ') || 'none'
  const adds = sent === stored + sum && code === 0
  console.log(
    `${adds ? '' : `This does not add up (exit code ${code} of the sensor).\n`}sent ${sent} ${adds ? '=' : '≠'} stored ${stored} + lost ${sum} (${text})`,
  )
  process.exitCode = adds ? 0 : 1
}

function say(text: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
}
