// Sends numbered frames from a container: a program of its own, started in the container's network namespace by lab.ts. The
// frames are UDP datagrams to the discard port; the number is in the first four bytes of the payload. Prints how many of them
// the interface dropped.
import { randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { frame, inject } from 'ringtap'
import { countFrames } from './network.js'

interface Order {
  readonly from: string
  readonly to: string
  readonly source: string
  readonly destination: string
  readonly frames: number
  readonly start?: number
  readonly size?: number
  readonly rate?: number
  readonly random?: boolean
}

const order = JSON.parse(process.argv[2]!) as Order
const { frames, start = 0, size = 200, rate = 10_000 } = order
const bare = frame({
  ethernet: { source: order.from, destination: order.to },
  ipv4: { source: order.source, destination: order.destination },
  udp: { sourcePort: 9, destinationPort: 9, checksum: 0 },
  payload: Buffer.alloc(Math.max(size - 42, 4)),
})

/** Frames per call. */
const burst = rate > 0 ? Math.max(1, Math.min(64, Math.ceil(rate / 100))) : 1024
// Random ones are different over more bytes than a compressor looks back.
const pool = Array.from({ length: order.random ? 8192 : burst }, () => {
  const one = Buffer.from(bare)
  return order.random ? randomFillSync(one, 42) : one
})
const before = countFrames().get('eth0')!.dropped
const began = performance.now()
for (let sent = 0; sent < frames; ) {
  const count = Math.min(burst, frames - sent)
  const from = sent % pool.length
  const some = pool.slice(from, from + count)
  for (let i = 0; i < some.length; i++) some[i]!.writeUInt32BE(start + sent + i, 42)
  await inject('eth0', some)
  sent += some.length
  const ahead = rate > 0 ? began + (1000 * sent) / rate - performance.now() : 0
  if (ahead > 1) await sleep(ahead)
}
// The frames that never left: the kernel's backlog had no room for them.
process.stdout.write(String(countFrames().get('eth0')!.dropped - before))
