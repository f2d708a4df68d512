// A capture, and readers that take its packets over TCP and discard them: reports that they are attached, and at SIGINT
// what the server sent and lost.
//
//   node dist/work/bench/record/serve.trial.js '{"interface":"near","readers":1}'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Capture } from 'ringtap'
import { settings } from '../support/consumer.js'
import { trialArgument } from '../support/trial.js'

export interface ServeTrial {
  interface: string
  readers: number
}

/** What it says in the end, in JSON. */
export interface ServeOutcome {
  packets: number
  /** Packets that a reader did not get, of all readers together. */
  missed: number
}

const argument = trialArgument<ServeTrial>()
if (argument !== null) await serve(argument)

async function serve({ interface: name, readers }: ServeTrial): Promise<void> {
  const { memory, snapshotLength } = settings
  const capture = await Capture.open({ interfaces: name, snapshotLength, ring: { memory } })
  const server = await capture.serve({ port: 0 })
  const left = new Promise<number>((resolve) => {
    let lost = 0
    let gone = 0
    server.on('detach', (reader) => {
      lost += reader.dropped
      if (++gone === readers) resolve(lost)
    })
  })
  // In process groups of their own: their time is not the server's.
  const children = Array.from({ length: readers }, () =>
    spawn('bash', ['-c', `exec cat < /dev/tcp/${server.address.host}/${server.address.port}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    }),
  )
  while (server.stats().attached < readers) await once(server, 'attach')
  process.once('SIGINT', () => void capture.stop())
  process.stderr.write('ready\n')
  const { packets, dropped } = await server.finished
  const outcome: ServeOutcome = { packets, missed: (await left) + dropped * readers }
  for (const child of children) child.kill()
  await capture.close()
  process.stderr.write(`${JSON.stringify(outcome)}\n`)
}
