// What it costs to write whose packets are: processor time per packet of a recording, with and without owners, of one
// connection with many packets and of many connections with few.
//
//   node dist/work/bench/record/owners.js [--trials N] [--only TEXT] [--markdown]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inNamespace } from '../../test/live/support/namespace.js'
import { up } from '../../test/live/support/network.js'
import { options } from '../support/options.js'
import { takeTurns } from '../support/rounds.js'
import { field, middle, spread } from '../support/sweep.js'
import { figure, printTable } from '../support/table.js'
import type { OwnersReport, OwnersTrial } from './owners.trial.js'

await inNamespace(import.meta.url)
up('lo')

/** Echoes: a packet of data each way, and an acknowledgement at times. */
const server = createServer((socket) => {
  socket.setNoDelay()
  socket.on('error', () => {})
  socket.pipe(socket)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

async function exchange(socket: Socket, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    socket.write('x')
    await once(socket, 'data')
  }
}

/** `connections` one after another by each of eight clients, with `times` exchanges on each. */
async function traffic(connections: number, times: number): Promise<void> {
  const client = async () => {
    for (let i = 0; i < connections; i++) {
      const socket = connect(port, '127.0.0.1').setNoDelay()
      await once(socket, 'connect')
      await exchange(socket, times)
      socket.destroy()
      await once(socket, 'close')
    }
  }
  await Promise.all(Array.from({ length: 8 }, client))
}

interface Contestant {
  name: string
  follow: boolean
  write: boolean
  missing?: undefined
}
const contestants: Contestant[] = [
  { name: 'without owners', follow: false, write: false },
  { name: 'owners followed', follow: true, write: false },
  { name: 'owners followed and written', follow: true, write: true },
].filter(({ name }) => name.includes(options.only))

interface Sample {
  packets: number
  lost: number
  cpu: number
  bytes: number
}

async function trial({ follow, write }: Contestant, connections: number, times: number): Promise<Sample> {
  const file = path.join(tmpdir(), `ringtap-owners-${process.pid}.pcapng`)
  const script = fileURLToPath(new URL('owners.trial.js', import.meta.url))
  const argument: OwnersTrial = { path: file, follow, write }
  const child = spawn(process.execPath, [script, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = text(child.stdout)
  try {
    await once(child.stderr, 'data') // it is ready
    await traffic(connections, times)
    child.kill('SIGINT')
    const { packets, lost, cpu } = JSON.parse(await output) as OwnersReport
    return { packets, lost, cpu: (cpu / packets) * 1e6, bytes: statSync(file).size / packets }
  } finally {
    child.kill('SIGKILL')
    rmSync(file, { force: true })
  }
}

for (const { name, connections, times } of [
  { name: '8 connections with 20 000 exchanges', connections: 1, times: 20_000 },
  { name: '8000 connections with 10 exchanges', connections: 1000, times: 10 },
]) {
  const rows = await takeTurns(contestants, (one) => trial(one, connections, times))
  printTable(
    `Owners in a recording: ${name}, ${options.trials} recordings: median (least to largest)`,
    ['recording', 'CPU µs/packet', 'packets', 'lost', 'bytes/packet in the file', ''],
    rows.map((row) => [
      row.name,
      spread(row, 'cpu'),
      row.samples.length > 0 ? String(middle(row, 'packets')) : '-',
      String(field(row, 'lost').reduce((sum, lost) => sum + lost, 0)),
      row.samples.length > 0 ? figure(middle(row, 'bytes')) : '-',
      row.note,
    ]),
  )
}
server.close()
