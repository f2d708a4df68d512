/** Does everything the debug log records: captures on eth0, changes the filter, records to a file and reads it. */
import { Capture, openFile } from 'ringtap'
import { addVeth, del, rename } from '../support/network.js'
import { sendSync } from '../support/send.js'

const [path = ''] = process.argv.slice(2)
const capture = await Capture.open({
  interfaces: { include: ['^log\\b', /^eth\d/, '^\u001b'], exclude: '^veth', hotplug: true },
})

/** Makes a change, and waits for its event: of this interface, since the other end of a veth pair may come first. */
async function after(type: string, name: string, change: () => void, on = capture): Promise<void> {
  const event = new Promise<void>((resolve) =>
    on.on('interface', (event) => event.type === type && event.interface.name === name && resolve()),
  )
  change()
  await event
}

await after('added', 'eth7', () => addVeth('eth7', 'veth7', { up: false }))
await after('renamed', '\u001b[31m7', () => rename('eth7', '\u001b[31m7'))
await after('removed', '\u001b[31m7', () => del('\u001b[31m7'))
await capture.setFilter('udp or arp')
await capture.setHosts({ exclude: ['192.0.2.1', '192.0.2.2'] })
await capture.setFilter('no such thing').catch(() => {})
const recording = await capture.record({ path })
sendSync({ interface: 'far0', count: 5 })
await recording.stop()
await capture.close()

// Only expressions as strings: the core decides the selection.
const second = await Capture.open({ interfaces: { include: '^eth', hotplug: true } })
await after('added', 'eth8', () => addVeth('eth8', 'veth8', { up: false }), second)
await second.close()
del('eth8')

await using file = await openFile(path)
for await (const chunk of file) chunk.release()
