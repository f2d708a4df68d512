/**
 * Opens a capture as root, gives up all privileges, and then executes requests: one JSON object per line of standard
 * input, answered by one line of standard output.
 */
import { createInterface } from 'node:readline'
import {
  Capture,
  type CaptureError,
  type CaptureOptions,
  type Connection,
  Injector,
  type RecordedFile,
  type Recording,
} from 'ringtap'
import { drainBacklog } from '../support/backlog.js'
import { expectedFrame, sequenceOf } from '../support/frame.js'
import { waitUntil } from '../support/wait.js'

export type Request =
  | { do: 'drop' | 'stats' | 'warnings' | 'stop' }
  | { do: 'take'; count: number }
  | { do: 'filter'; expression?: string }
  | { do: 'hosts'; exclude?: readonly string[]; include?: readonly string[] }
  | { do: 'connections'; list: readonly Connection[] }
  | { do: 'open'; options: CaptureOptions }
  | { do: 'inject'; count: number; start: number; port: number }
  | { do: 'record'; path: string; packets: number }
  | { do: 'stopRecording' }

export interface Taken {
  interface: string
  number: number | undefined
}

/** The properties of an error that are compared. */
export interface Failure {
  code: string
  message: string
  syscall?: string
  interface?: string
}

const [options, injectOn] = JSON.parse(process.argv[2] ?? '') as [CaptureOptions, string]
const capture = await Capture.open(options)
const injector = await Injector.open(injectOn)
const packets: Taken[] = []
const warnings: Failure[] = []
let recording: Recording | undefined
const files: RecordedFile[] = []
capture.on('warning', (warning) => warnings.push(failure(warning)))
const reading = (async () => {
  for await (const chunk of capture) {
    for (const packet of chunk) packets.push({ interface: packet.interface.name, number: sequenceOf(packet.data) })
  }
})()

function failure({ code, message, syscall, interface: name }: CaptureError): Failure {
  return { code, message, ...(syscall && { syscall }), ...(name && { interface: name }) }
}

async function execute(request: Request): Promise<unknown> {
  switch (request.do) {
    case 'drop':
      process.setgroups?.([])
      process.setgid?.(65534)
      process.setuid?.(65534)
      return process.getuid?.()
    case 'take': {
      const progress = () => packets.length
      await waitUntil(() => packets.length >= request.count, 'the packets', undefined, progress)
      drainBacklog()
      return packets.splice(0)
    }
    case 'filter':
      return capture.setFilter(request.expression)
    case 'hosts':
      return capture.setHosts({ exclude: request.exclude, include: request.include })
    case 'connections':
      return capture.setConnections(request.list)
    case 'warnings':
      return warnings.splice(0)
    case 'stats':
      return capture.stats()
    case 'open':
      return (await Capture.open(request.options)).close()
    case 'inject': {
      const { count, start, port } = request
      return injector.send(Array.from({ length: count }, (_, i) => expectedFrame(start + i, { port })))
    }
    case 'record':
      recording = await capture.record({ path: request.path, rotate: { packets: request.packets } })
      recording.on('file', (file) => files.push(file))
      return undefined
    case 'stopRecording': {
      const stats = await recording?.stop()
      return { stats, files: files.map(({ path, packets }) => ({ path, packets })) }
    }
    case 'stop':
      await capture.stop()
      await reading
      return { packets: packets.splice(0), stats: capture.stats() }
  }
}

console.log(JSON.stringify({ result: 'open' }))
for await (const line of createInterface({ input: process.stdin })) {
  const outcome = await execute(JSON.parse(line) as Request).then(
    (result) => ({ result }),
    (error: CaptureError) => ({ failure: failure(error) }),
  )
  console.log(JSON.stringify(outcome))
}
await injector.close()
await capture.close()
