// What the live checks have in common.
import path from 'node:path'
import { isMainThread, workerData } from 'node:worker_threads'
import { Capture, inject, openFile } from 'ringtap'

const type = 0x88b5 // an EtherType for experiments: no other program sends it
export const filter = `ether proto ${type}`

/** Numbered frames. */
export function frames(count, from = 0) {
  return Array.from({ length: count }, (_, i) => {
    const frame = new Uint8Array(60)
    const view = new DataView(frame.buffer)
    frame.fill(0xff, 0, 6)
    frame[6] = 2
    view.setUint16(12, type)
    view.setUint32(14, from + i)
    return frame
  })
}
export const numberOf = (packet) => packet.readUInt32BE(14)

export function equal(got, expected, what) {
  if (got !== expected) throw new Error(`${what}: ${got}, not ${expected}`)
}

export async function send(count, from) {
  const result = await inject('left', frames(count, from))
  equal(result.sent, count, 'sent')
}

/** Captures what is sent to `right`: each frame once. */
export async function capture(options, count) {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter, ...options })
  const numbers = []
  await send(count, 0)
  for await (const chunk of session) {
    for (const packet of chunk) numbers.push(numberOf(packet))
    if (numbers.length >= count) await session.stop()
  }
  const stats = session.stats()
  await session.close()
  // The kernel keeps no order if the sender moves from one processor to another.
  numbers.sort((a, b) => a - b)
  equal(numbers.join(), Array.from({ length: count }, (_, i) => i).join(), 'packets')
  equal(Number(stats.delivered), count, 'delivered')
}

/** Records 50 frames. `begun` is called with the recording first. */
export async function record(name, begun = (_recording) => {}) {
  const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
  const recording = await session.record({ path: file(name) })
  begun(recording)
  await send(50, 0)
  await session.stop()
  const stats = await recording.stop()
  await session.close()
  equal(Number(stats.packets), 50, 'recorded packets')
}

/** Reads a file: the 50 frames, or as many as are named, each once. */
export async function expectRecorded(name, count = 50) {
  const numbers = []
  for await (const chunk of await openFile(file(name))) for (const packet of chunk) numbers.push(numberOf(packet))
  numbers.sort((a, b) => a - b)
  equal(numbers.join(), Array.from({ length: count }, (_, i) => i).join(), `packets of ${name}`)
}

/** The folder for files. */
export const folder = isMainThread ? process.argv[2] : workerData.folder
export const file = (name) => path.join(folder, name)

/** Waits until something is so, for ten seconds at most. */
export async function until(condition, what) {
  for (const end = performance.now() + 10_000; !condition(); ) {
    if (performance.now() > end) throw new Error(`waited for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
