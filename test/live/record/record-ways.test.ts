/** Recording with every way of capturing: both forms of the ring's interface table, and libpcap. */
import { statSync } from 'node:fs'
import { hex } from '../../helpers/hex.js'
import { range } from '../../helpers/range.js'
import { rotated, TestFolder } from '../../helpers/test-folder.js'
import { bytesOf, describe, dissect, numbersIn, readByTshark, statisticsIn } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth, del, rename } from '../support/network.js'
import { recorded } from '../support/recorded.js'
import { send, sendSync, sequenceOf } from '../support/send.js'
import { openTun, tunAvailable } from '../support/tun.js'
import { patience, waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'
import { startTcpdump } from '../support/witness.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')

const folder = new TestFolder(t)

for (const { way, options, skip } of ways) {
  t.test(`tcpdump, JavaScript and the file have the same packets, ${way}`, { skip }, async (t) => {
    const path = folder.fresh()
    const witness = await startTcpdump({ interface: 'far0' })
    const open = { interfaces: ['eth0', 'far0'], ...options }
    const { packets, files, stats, wrong } = await recorded(open, { path, comment: 'by any way' }, () =>
      send({ interface: 'eth0', count: 3000, size: 300, rate: 30_000 }),
    )
    const theirs = await witness.stop()
    t.same(wrong, [])
    t.match(stats, { packets: 6000, packetBytes: 1_800_000, dropped: 0, files: 1, bytes: statSync(path).size })
    t.match(files, [{ path, packets: 6000, bytes: statSync(path).size }])
    const key = (interface_: string, direction: unknown, time: bigint, data: Uint8Array) =>
      `${interface_} ${direction} ${time} ${hex(data)}`
    const data = bytesOf(path)
    const inFile = dissect(path).map((packet, i) =>
      key(packet.interface, packet.direction, packet.timestamp, data[i] as Uint8Array),
    )
    t.same(
      inFile.sort(),
      packets.map((packet) => key(packet.interface, packet.direction, packet.timestamp, packet.data)).sort(),
      'interface, direction, time and bytes of each',
    )
    t.same(
      inFile
        .filter((one) => one.startsWith('far0'))
        .map((one) => one.split(' ')[3])
        .sort(),
      theirs.map((packet) => hex(packet.data)).sort(),
      'the bytes that tcpdump has',
    )
    const { text, packets: told } = describe(path)
    t.equal(told, 6000)
    for (const said of ['by any way', 'Name = eth0', 'Name = far0', 'nanoseconds']) t.match(text, said, said)
    t.match(text, /Number of interfaces in file: 2/)
    t.same(
      statisticsIn(path),
      [1, 2].map(() => ({ received: 3000, dropped: 0, bySystem: 0, delivered: 3000 })),
    )
    t.equal(statSync(path).mode & 0o777, 0o600, 'for the owner alone')
  })

  t.test(`a filter can be replaced during a recording, ${way}`, { skip }, async (t) => {
    for (const read of [false, true]) {
      const path = folder.fresh()
      const open = { interfaces: 'eth0', filter: 'udp port 7', ...options }
      const { packets, files, stats, ledger, wrong } = await recorded(
        open,
        { path, rotate: { packets: 1000 } },
        async (capture, recording) => {
          await send({ interface: 'eth0', count: 1000, port: 7, rate: 50_000 })
          await waitUntil(() => recording.stats().packets > 0, 'the first packets in the file')
          // Packets that both the old and the new filter accept are recorded, whenever the change takes effect.
          const traffic = send({ interface: 'eth0', count: 3000, start: 1000, port: 7, rate: 10_000 })
          for (const filter of ['udp', 'ip', 'udp port 7 or udp port 8', 'udp dst port 7'])
            await capture.setFilter(filter)
          await traffic
          // Wait: the new filter would also be applied to packets not yet taken from the ring.
          await waitUntil(
            () => recording.stats().packets === 4000 && capture.stats().delivered === 4000,
            'all of them to be taken',
            undefined,
            () => ({ recorded: recording.stats(), delivered: capture.stats().delivered }),
          )
          await capture.setFilter('udp port 8')
          sendSync({ interface: 'eth0', count: 50, start: 5000, port: 7 })
          sendSync({ interface: 'eth0', count: 60, start: 4000, port: 8 })
        },
        read,
      )
      t.same(wrong, [])
      t.equal(ledger.received, 4060)
      t.match(stats, { packets: 4060, dropped: 0, files: 5 })
      t.same(
        files.flatMap((file) => numbersIn(file.path)),
        range(0, 4060),
        'nothing lost, nothing wrong',
      )
      if (read) {
        t.same(
          packets.map(({ number }) => number),
          range(0, 4060),
        )
      }
      t.match(describe(files[0]?.path as string).text, /Filter string = udp port 7$/m, 'the filter of then')
      t.match(describe(files[4]?.path as string).text, /Filter string = udp port 8$/m, 'and the one in force later')
    }
  })

  t.test(`interfaces that appear and are renamed are recorded under their names, ${way}`, { skip }, async (t) => {
    const path = folder.fresh()
    const { stats, wrong } = await recorded(
      { interfaces: { include: '^(hot|cool)', exclude: '5$', hotplug: true }, ...options },
      { path, rotate: { packets: 17 } },
      async (capture) => {
        const isThere = (name: string) => capture.interfaces.some((one) => one.name === name)
        for (const i of range(0, 10)) {
          addVeth(`hot${i}`, `peer${i}`)
          // The ring holds packets before the interface's event is processed; libpcap must open a handle first.
          if (way === 'pcap' && i !== 5) {
            const open = i < 5 ? i + 1 : i
            await waitUntil(() => isThere(`hot${i}`) && capture.stats().ring.count === open, `a handle on hot${i}`)
          }
          sendSync({ interface: `hot${i}`, count: 5, label: i })
        }
        if (way === 'pcap') await waitUntil(() => capture.stats().delivered === 45, 'what came under the old name')
        rename('hot3', 'cool3')
        await waitUntil(() => isThere('cool3'), 'the new name')
        sendSync({ interface: 'cool3', count: 5, start: 5, label: 3 })
      },
      false,
    )
    t.same(wrong, [])
    t.equal(stats.packets, 50)
    const files = rotated(path)
    t.equal(files.length, 3)
    const inFiles = files.flatMap((file) => {
      const data = bytesOf(file)
      return dissect(file).map((packet, i) => `${packet.interface} ${sequenceOf(data[i] as Uint8Array)}`)
    })
    const wanted = range(0, 10).flatMap((i) => (i === 5 ? [] : range(0, 5).map((n) => `hot${i} ${n}`)))
    t.same(inFiles.sort(), [...wanted, ...range(5, 10).map((n) => `cool3 ${n}`)].sort(), 'each under its name of then')
    del(range(0, 10).map((i) => `peer${i}`))
  })

  const noTun = tunAvailable() ? false : 'no access to /dev/net/tun'
  t.test(`raw IP and Ethernet are recorded in one pcapng file, ${way}`, { skip: skip || noTun }, async (t) => {
    const tun = await openTun('tun0')
    const path = folder.fresh()
    const { packets, stats, wrong } = await recorded(
      { interfaces: ['eth0', 'tun0'], ...options },
      { path },
      async () => {
        sendSync({ interface: 'eth0', count: 30 })
        await tun.write({ count: 40 })
      },
    )
    t.same(wrong, [])
    t.equal(stats.packets, 70)
    const { text } = describe(path)
    for (const said of [/Encapsulation = Ethernet/, /Encapsulation = Raw IP/]) t.match(text, said)
    const told = readByTshark(path)
    for (const name of ['eth0', 'tun0']) {
      t.same(
        told.filter((packet) => packet.interface === name).map(({ bytes }) => bytes),
        packets.filter((packet) => packet.interface === name).map((packet) => hex(packet.data)),
        `the bytes on ${name}`,
      )
    }
    await tun.close()
  })
}
