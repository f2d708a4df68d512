import { isIPv6 } from 'node:net'
import { Capture, type PacketServer, type ServerReaderStats } from '../index.js'
import { announce, captureOptions, filterOf, watch } from './capture.js'
import type { CaptureSelection } from './command-options.js'
import { onInterrupt } from './interrupt.js'
import { ledgerText } from './ledger.js'
import { note, warn } from './output.js'
import { amount, grouped, oneLine, quantity } from './terminal.js'

export interface ServeCommandOptions extends CaptureSelection {
  readonly host: string
  readonly port: number
  readonly format: 'pcap' | 'pcapng'
  readonly maxReaders?: number
  /** MiB. */
  readonly memory?: number
}

/** `ringtap serve`: PCAP-over-IP, until Ctrl-C. A line on standard error for each reader that comes and goes. */
export async function serveCommand(words: string[], options: ServeCommandOptions): Promise<void> {
  const filter = filterOf(words, options.filter)
  const { host, port, format, maxReaders, memory } = options
  const capture = await Capture.open(captureOptions(options, filter))
  try {
    watch(capture, options)
    const stop = () => void capture.stop().catch(() => undefined)
    let failure: Error | undefined
    capture.on('error', (error) => {
      failure = error
      stop()
    })
    const server = await capture.serve({
      host,
      port,
      format,
      maxReaders,
      memory: memory === undefined ? undefined : memory * 2 ** 20,
    })
    server.on('attach', (reader) => note(`ringtap: ${endpoint(reader.address, reader.port)} reads`))
    server.on('detach', (reader) => note(`ringtap: ${farewell(reader)}`))
    const end = onInterrupt(stop)
    announce(capture, options, filter)
    introduce(server)
    const { attached, refused } = await server.finished
    end()
    if (failure) throw failure
    const others = refused > 0 ? `, ${amount(refused, 'connection')} refused` : ''
    process.stderr.write(`${amount(attached, 'reader')}${others}\n${ledgerText(await capture.stop())}`)
  } finally {
    await capture.close()
  }
}

const endpoint = (address: string, port: number) => oneLine(`${isIPv6(address) ? `[${address}]` : address}:${port}`)

/** Where it listens, and who may read. */
function introduce({ address: { host, port } }: PacketServer): void {
  const where = endpoint(host, port)
  note(`ringtap: serving on ${where}: wireshark -k -i TCP@${where}`)
  if (!/^(127\.|::1$|::ffff:127\.)/.test(host))
    warn(`there is no authentication: whoever reaches ${where} gets the packets`)
}

function farewell({ address, port, packets, bytes, dropped, lost }: ServerReaderStats): string {
  const losses = [
    dropped > 0 ? `${grouped(dropped)} missed because it was too slow` : '',
    lost > 0 ? `${grouped(lost)} lost before` : '',
  ].filter((text) => text !== '')
  const counts = `${amount(packets, 'packet')}, ${quantity(bytes, 'B')}`
  return `${endpoint(address, port)} has left: ${[counts, ...(losses.length > 0 ? losses : ['none lost'])].join(', ')}`
}
