import { Capture, type InterfaceRules } from 'ringtap'
import { type Seen, seen } from '../support/collect.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { del, ip } from '../support/network.js'
import { standStill } from '../support/stand-still.js'
import { tables } from '../support/tables.js'
import { tool } from '../support/tools.js'
import { waitUntil } from '../support/wait.js'

const make = 'ip link add tmp1 type veth peer name other1; ip link set other1 up'
const renameAndSend = `ip link set tmp1 name veth1; ip link set veth1 up;
  ${tool('send')} --interface veth1 --count 5 --keep-going >/dev/null`

const selections: [string, InterfaceRules['include']][] = [
  ['the core decides', '^veth'],
  ['JavaScript decides', /^veth/],
]

for (const { table, skip } of tables) {
  for (const [who, include] of selections) {
    for (const decided of [false, true]) {
      t.test(
        `an interface that is renamed while down is selected by its new name, ${table}, ${who}, decided before: ${decided}`,
        { skip },
        async (t) => {
          await using capture = await Capture.open({ interfaces: { include, hotplug: true }, ring: { table } })
          const told: string[] = []
          capture.on('interface', ({ type, interface: { name }, selected }) => told.push(`${type} ${name} ${selected}`))
          const packets: Seen[] = []
          const reading = (async () => {
            for await (const chunk of capture) for (const packet of chunk) packets.push(seen(packet))
          })()
          if (decided) {
            for (const command of make.split('; ')) ip(...command.split(' ').slice(1))
            await waitUntil(
              () => told.includes('added tmp1 false') && told.includes('added other1 false'),
              'the verdicts',
            )
          }
          standStill(decided ? renameAndSend : `${make}; ${renameAndSend}`)
          await waitUntil(
            () => told.includes('up veth1 true'),
            'the last event',
            20_000,
            () => told,
          )
          await capture.stop()
          await reading
          t.strictSame(
            packets.map(({ interface: name, direction, number }) => `${name} ${direction} ${number}`),
            [0, 1, 2, 3, 4].map((number) => `veth1 out ${number}`),
          )
          const stats = capture.stats()
          t.same(imbalances(stats), [])
          const one = stats.interfaces.find(({ name, present }) => name === 'veth1' && present)
          t.match(one, { selected: true, delivered: 5, unselected: 0, dropped: table === 'ebpf' ? 0 : undefined })
          del('veth1')
        },
      )
    }
  }
}
