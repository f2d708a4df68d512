import { spawn } from 'node:child_process'
import { Capture, type CaptureInterfaceEvent } from 'ringtap'
import { witnessEnvironment } from '../../helpers/child-environment.js'
import { type Seen, seen } from '../support/collect.js'
import t from '../support/live.js'
import { del } from '../support/network.js'
import { tables } from '../support/tables.js'
import { tool } from '../support/tools.js'
import { block } from '../support/wait.js'

/** In a separate process: makes veth pairs one by one, sets each up and immediately sends 5 frames on it. */
function plug(count: number, frames: number): Promise<void> {
  const script = `
    for i in $(seq 0 ${count - 1}); do
      ip link add hot$i type veth peer name peer$i &&
      ip link set peer$i up && ip link set hot$i up &&
      "$0" --interface hot$i --count ${frames} --label $i >/dev/null || exit 1
    done`
  const child = spawn('sh', ['-c', script, tool('send')], { env: witnessEnvironment(), stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`plugging failed (${code})`))))
  })
}

for (const { table, skip } of tables) {
  for (const exclude of [undefined, '[13579]$']) {
    t.test(
      `every packet of 40 interfaces that appear while the program is busy is captured, ${table}, exclude ${exclude}`,
      { skip },
      async (t) => {
        await using capture = await Capture.open({
          interfaces: { include: '^hot', ...(exclude && { exclude }), hotplug: true },
          ring: { table },
        })
        const events: CaptureInterfaceEvent[] = []
        capture.on('interface', (event) => events.push(event))
        const packets: Seen[] = []
        const reading = (async () => {
          for await (const chunk of capture) {
            for (const packet of chunk) packets.push(seen(packet))
            block(50)
          }
        })()
        // Keep the event loop busy even while no packets arrive.
        const busy = setInterval(() => block(50), 1)
        await plug(40, 5)
        clearInterval(busy)
        const stats = await capture.stop()
        await reading

        const wanted = Array.from({ length: 40 }, (_, i) => i).filter((i) => !exclude || i % 2 === 0)
        t.equal(packets.length, wanted.length * 5, 'every packet, and no other')
        t.strictSame(
          packets.map((packet) => `${packet.interface} ${packet.label} ${packet.number} ${packet.direction}`).sort(),
          wanted.flatMap((i) => [0, 1, 2, 3, 4].map((n) => `hot${i} ${i} ${n} out`)).sort(),
          'each once, under the name of its interface',
        )
        const added = events.filter((event) => event.type === 'added' && event.interface.name.startsWith('hot'))
        t.equal(added.length, 40, 'an event for each')
        t.equal(added.filter((event) => event.selected).length, wanted.length, 'which says whether it is selected')
        const after = capture.stats()
        t.equal(after.received, after.delivered + after.droppedByRing + after.unselected, 'the ledger balances')
        t.equal(after.droppedByRing, 0)
        t.equal(after.ring.table, table)
        t.equal(stats.received, after.received)
        for (const one of after.interfaces.filter((one) => one.selected)) {
          t.equal(one.delivered, 5, `${one.name} in the ledger`)
          if (table === 'ebpf') t.equal(one.received, 5, `${one.name}, counted by the kernel`)
        }
        await capture.close()
        del(Array.from({ length: 40 }, (_, i) => `hot${i}`))
      },
    )
  }
}
