#!/usr/bin/env node
/**
 * A probe for containers without a shell: `probe.js readyz` requests /readyz on the socket of SENSOR_HEALTH_SOCKET. Exit
 * code 0: the answer is 200; 1: it is another, or there is none within 5 seconds. With `--wait SECONDS` it repeats the
 * request for so long until the answer is 200.
 */
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

interface Outcome {
  readonly good: boolean
  readonly text: string
}

function request(socketPath: string, path: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const attempt = get({ socketPath, path: `/${path}`, timeout: 5000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.once('end', () => resolve({ good: response.statusCode === 200, text }))
    })
    attempt.once('timeout', () => attempt.destroy(new Error('no answer within 5 seconds')))
    attempt.once('error', ({ message }) => resolve({ good: false, text: `error: ${message}\n` }))
  })
}

const socketPath = process.env['SENSOR_HEALTH_SOCKET']?.trim()
const [path = 'healthz', option, seconds = '0'] = process.argv.slice(2)

if (!socketPath || (option !== undefined && option !== '--wait') || !/^\d+$/.test(seconds)) {
  process.stderr.write(
    socketPath ? 'usage: probe.js [PATH [--wait SECONDS]]\n' : 'error: SENSOR_HEALTH_SOCKET is not set\n',
  )
  process.exit(1)
}
let outcome = await request(socketPath, path)
for (const end = performance.now() + Number(seconds) * 1000; !outcome.good && performance.now() < end; ) {
  await sleep(200)
  outcome = await request(socketPath, path)
}
;(outcome.good ? process.stdout : process.stderr).write(outcome.text)
process.exitCode = outcome.good ? 0 : 1
