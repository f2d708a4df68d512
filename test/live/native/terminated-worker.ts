/** Calls one entry point of the library repeatedly, until it is terminated or reaches a limit. */
import { parentPort, workerData } from 'node:worker_threads'
import { Capture, convertFiles, Injector, openFile, replay, SavefileWriter, watchInterfaces } from 'ringtap'

const { entry, folder, round } = workerData as { entry: string; folder: string; round: number }
const input = `${folder}/input.pcap`
const small = { interfaces: 'eth0', ring: { memory: 1 << 20 } } as const
const nothing = () => {}

const entries: Record<string, (call: number) => Promise<unknown>> = {
  'Capture.open': async () => await (await Capture.open(small)).close(),
  'Capture.open, backend pcap': async () => await (await Capture.open({ ...small, backend: 'pcap' })).close(),
  'Capture.open that fails': () => Capture.open({ interfaces: 'missing' }).catch(nothing),
  openFile: async () => {
    for await (const chunk of await openFile(input)) for (const packet of chunk) packet.data.at(0)
  },
  'openFile with costly patterns': () =>
    openFile(input, { interfaces: { include: Array.from({ length: 100 }, () => 'xa{0,1998}y') } }).catch(nothing),
  'openFile that fails': () => openFile(`${folder}/missing.pcap`).catch(nothing),
  convertFiles: (call) => convertFiles([input, input], `${folder}/converted-${round}-${call}.pcapng`),
  replay: () => replay(input, { interface: 'eth0', speed: 'fastest' }),
  SavefileWriter: async (call) => {
    const writer = await SavefileWriter.open(`${folder}/written-${round}-${call}.pcapng`)
    for await (const chunk of await openFile(input)) await writer.write(chunk)
    await writer.close()
  },
  'capture.record': async (call) => {
    const capture = await Capture.open(small)
    const recording = await capture.record({ path: `${folder}/recorded-${round}-${call}.pcapng` })
    await recording.stop()
    await capture.close()
  },
  'capture.batches': async () => {
    const capture = await Capture.open(small)
    const batches = capture.batches({ milliseconds: 10 })
    void batches.next()
    await new Promise((resolve) => setImmediate(resolve))
    await capture.close()
  },
  'Injector.open': async () => {
    const injector = await Injector.open('eth0')
    await injector.send(new Uint8Array(60))
    await injector.close()
  },
  'Injector.open that fails': () => Injector.open('missing').catch(nothing),
  watchInterfaces: async () => {
    const watcher = watchInterfaces({ initial: true })
    await watcher[Symbol.asyncIterator]().next()
    await watcher.close()
  },
}

const call = entries[entry]
if (!call) throw new Error(`there is no entry ${entry}`)
parentPort?.postMessage('begun')
for (let i = 0; i < 1000; i++) await call(i)
