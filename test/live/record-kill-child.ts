/** A program that records eth0 with rotation until it is killed. */
import { Capture } from 'ringtap'

const capture = await Capture.open({ interfaces: 'eth0' })
await capture.record({ path: process.argv[2] as string, rotate: { packets: 3000 } })
process.send?.('ready')
