/** Opens a capture on eth0 and prints the result as JSON; with an argument, reads that many packets first. */
import { Capture, CaptureError } from 'ringtap'

try {
  await using capture = await Capture.open({ interfaces: 'eth0', promiscuous: true })
  console.log('open')
  let left = Number(process.argv[2] ?? 0)
  for await (const packet of capture.packets()) {
    if (packet.direction !== 'in' || --left === 0) break
  }
  const { delivered, ring, interfaces } = capture.stats()
  console.log(
    JSON.stringify({ delivered, table: ring.table, received: interfaces.map(({ received }) => received ?? null) }),
  )
} catch (error) {
  if (!(error instanceof CaptureError)) throw error
  const { code, message, syscall, errno } = error
  console.log(JSON.stringify({ code, message, syscall, errno }))
}
