/**
 * One member of a group: opens a capture with the options in its argument, and reads it. Sends the parent `open`; on
 * `stop` what it received, on `close` `closed`.
 */
import { Capture } from 'ringtap'
import { reading } from '../support/collect.js'

const capture = await Capture.open(JSON.parse(process.argv[2] ?? '{}'))
const { packets, done } = reading(capture)

process.on('message', async (message) => {
  if (message === 'stop') {
    const stats = await capture.stop()
    await done
    const numbered = packets.filter(({ number }) => number !== undefined)
    process.send?.({
      numbers: numbered.map(({ number }) => number),
      // The UDP source port, which `send` changes from flow to flow.
      flows: [...new Set(numbered.map(({ data }) => Buffer.from(data).readUInt16BE(34)))],
      stats: capture.stats(),
      received: stats.received,
    })
  } else {
    await capture.close()
    process.send?.('closed')
    process.disconnect()
  }
})
process.send?.('open')
