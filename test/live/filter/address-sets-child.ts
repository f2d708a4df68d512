/** Opens a capture on eth0 that excludes a given number of addresses, and prints the result as JSON. */
import { Capture, CaptureError } from 'ringtap'

const count = Number(process.argv[2])
const excludeHosts = Array.from({ length: count }, (_, i) => `10.${i >> 7}.${(2 * i) & 0xff}.7`)
try {
  await using capture = await Capture.open({ interfaces: 'eth0', excludeHosts })
  console.log(JSON.stringify({ table: capture.stats().ring.table }))
} catch (error) {
  if (!(error instanceof CaptureError)) throw error
  console.log(JSON.stringify({ code: error.code, message: error.message }))
}
