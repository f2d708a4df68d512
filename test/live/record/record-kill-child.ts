/** Records eth0 with rotation until it is killed; reports when it begins, and when it has written packets. */
import { Capture } from 'ringtap'
import { waitUntil } from '../support/wait.js'

const capture = await Capture.open({ interfaces: 'eth0' })
const recording = await capture.record({ path: process.argv[2] as string, rotate: { packets: 3000 } })
process.send?.('ready')
await waitUntil(() => recording.stats().packets > 0, 'packets in the file')
process.send?.('written')
