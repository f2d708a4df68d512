// Interfaces that are selected by name are followed by their names.
import { Capture, type CaptureInterfaceEvent, type CaptureOptions, explainSelection, listInterfaces } from 'ringtap'
import { range } from '../../helpers/range.js'
import { drainRing } from '../support/backlog.js'
import { reading, type Seen } from '../support/collect.js'
import { addNamespace } from '../support/held-namespace.js'
import { imbalances } from '../support/ledger.js'
import t from '../support/live.js'
import { addVeth, del, ip, link, moveTo, rename, up } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'
import { ways } from '../support/ways.js'

addVeth('eth0', 'far0')

/** A capture that is read continuously. */
class Running implements AsyncDisposable {
  readonly capture: Capture
  readonly packets: Seen[]
  readonly warnings: Error[] = []
  readonly #events: CaptureInterfaceEvent[] = []
  readonly #done: Promise<void>

  private constructor(capture: Capture) {
    this.capture = capture
    capture.on('interface', (event) => this.#events.push(event))
    capture.on('warning', (warning) => this.warnings.push(warning))
    const { packets, done } = reading(capture)
    this.packets = packets
    this.#done = done
  }

  static async open(options: CaptureOptions): Promise<Running> {
    return new Running(await Capture.open(options))
  }

  /** Waits for an event, as `type name selected`. */
  async event(text: string): Promise<void> {
    const emitted = () =>
      this.#events.map((one) => `${one.type} ${one.interface.name}${one.selected ? ' selected' : ''}`)
    await waitUntil(() => emitted().includes(text), `the event "${text}"`, 20_000, emitted)
    this.#events.length = 0
  }

  /** Waits until packets of this many interfaces can be received. Only libpcap needs it: it loses the first ones. */
  async ready(count: number): Promise<void> {
    if (this.capture.stats().ring.table !== 'none') return
    await waitUntil(() => this.capture.stats().ring.count === count, `${count} handles`)
  }

  get names(): string[] {
    return this.capture.interfaces.map(({ name }) => name)
  }

  /** Stops the capture; returns the packets as `name index number`. */
  async stop(): Promise<string[]> {
    await this.capture.stop()
    await this.#done
    return this.packets.map(({ interface: name, index, number }) => `${name} ${index} ${number}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.capture.close()
  }
}

const lines = (name: string, index: number, from: number, to: number) =>
  range(from, to).map((number) => `${name} ${index} ${number}`)
const ledger = ({ capture }: Running) =>
  capture
    .stats()
    .interfaces.filter(({ delivered }) => delivered > 0)
    .map(({ name, index, present, selected, delivered }) => ({ name, index, present, selected, delivered }))

for (const { way, options, skip } of ways) {
  t.test(`an interface deleted and made again is captured under its name, ${way}`, { skip }, async (t) => {
    addVeth('name0', 'away0')
    const first = link('name0').ifindex
    await using running = await Running.open({ ...options, interfaces: 'name0', promiscuous: true })
    sendSync({ interface: 'name0', count: 10 })
    await waitUntil(() => running.packets.length === 10, 'the packets before')
    del('name0')
    await running.event('removed name0')
    t.same(running.names, [])
    addVeth('other0', 'away0')
    sendSync({ interface: ['eth0', 'other0'], count: 20, start: 100 })
    del('other0')
    addVeth('name0', 'away0')
    const second = link('name0').ifindex
    await running.ready(1)
    sendSync({ interface: 'name0', count: 10, start: 10 })
    await running.event('added name0 selected')
    t.same(running.names, ['name0'])
    await waitUntil(() => link('name0').promiscuity === 1, 'promiscuous mode')
    t.same(await running.stop(), [...lines('name0', first, 0, 10), ...lines('name0', second, 10, 20)])
    t.same(ledger(running), [
      { name: 'name0', index: second, present: true, selected: true, delivered: 10 },
      { name: 'name0', index: first, present: false, selected: true, delivered: 10 },
    ])
    t.same(imbalances(running.capture.stats()), [])
    t.same(running.warnings, [])
    del('name0')
  })

  t.test(`an interface moved to another namespace and back is captured again, ${way}`, { skip }, async (t) => {
    const other = await addNamespace()
    addVeth('name0', 'away0')
    const index = link('name0').ifindex
    await using running = await Running.open({ ...options, interfaces: ['eth0', 'name0'] })
    sendSync({ interface: 'name0', count: 10 })
    await waitUntil(() => running.packets.length === 10, 'the packets before')
    moveTo(other.pid, 'name0')
    await running.event('removed name0')
    t.same(running.names, ['eth0'])
    up('name0', { namespace: other.pid })
    sendSync({ interface: 'name0', count: 10, start: 100, namespace: other.pid })
    moveTo(process.pid, 'name0', { namespace: other.pid })
    up('name0')
    await running.ready(2)
    sendSync({ interface: 'name0', count: 10, start: 10 })
    await running.event('added name0 selected')
    t.same(await running.stop(), lines('name0', index, 0, 20))
    t.same(imbalances(running.capture.stats()), [])
    del('name0')
    await other.close()
  })

  t.test(`a name that passes to another device selects that one, ${way}`, { skip }, async (t) => {
    addVeth('name0', 'away0')
    addVeth('other0', 'away1')
    const [first, second] = [link('name0').ifindex, link('other0').ifindex]
    await using running = await Running.open({ ...options, interfaces: 'name0' })
    sendSync({ interface: 'name0', count: 10 })
    await waitUntil(() => running.packets.length === 10, 'the packets before')
    rename('name0', 'old0')
    await running.event('renamed old0')
    t.same(running.names, [])
    sendSync({ interface: ['old0', 'other0'], count: 20, start: 100 })
    rename('other0', 'name0')
    await running.event('renamed name0 selected')
    await running.ready(1)
    t.same(running.names, ['name0'])
    sendSync({ interface: 'old0', count: 10, start: 200 })
    sendSync({ interface: 'name0', count: 10, start: 10 })
    for (const iface of listInterfaces()) {
      const selected = running.capture.interfaces.some(({ index }) => index === iface.index)
      t.equal(explainSelection(iface, 'name0').selected, selected, iface.name)
    }
    t.same(await running.stop(), [...lines('name0', first, 0, 10), ...lines('name0', second, 10, 20)])
    t.same(ledger(running), [
      { name: 'old0', index: first, present: true, selected: false, delivered: 10 },
      { name: 'name0', index: second, present: true, selected: true, delivered: 10 },
    ])
    t.same(imbalances(running.capture.stats()), [])
    del(['old0', 'name0'])
  })

  t.test(`an alternative name is followed as a name is, ${way}`, { skip }, async (t) => {
    const make = () => ip('link', 'add', 'name', 'name0', 'type', 'veth', 'peer', 'name', 'away0')
    const alternative = (action: 'add' | 'del') => ip('link', 'property', action, 'dev', 'name0', 'altname', 'uplink')
    make()
    up(['away0', 'name0'])
    alternative('add')
    const first = link('name0').ifindex
    await using running = await Running.open({ ...options, interfaces: 'uplink' })
    sendSync({ interface: 'name0', count: 10 })
    await waitUntil(() => running.packets.length === 10, 'the packets before')
    alternative('del')
    await running.event('changed name0')
    sendSync({ interface: 'name0', count: 10, start: 100 })
    alternative('add')
    await running.event('changed name0 selected')
    await running.ready(1)
    sendSync({ interface: 'name0', count: 10, start: 10 })
    await waitUntil(() => running.packets.length === 20, 'the packets of the name given again')
    del('name0')
    await running.event('removed name0')
    // The kernel does not announce an alternative name of a device that is down.
    make()
    alternative('add')
    up(['away0', 'name0'])
    await running.ready(1)
    sendSync({ interface: 'name0', count: 10, start: 20 })
    await running.event('up name0 selected')
    t.same(await running.stop(), [...lines('name0', first, 0, 20), ...lines('name0', link('name0').ifindex, 20, 30)])
    t.same(imbalances(running.capture.stats()), [])
    del('name0')
  })

  // Through libpcap the first packets of a device are lost.
  if (way === 'pcap') continue
  t.test(
    `a blocked program gets the packets of each device of the name, whose index is the same, ${way}`,
    { skip },
    async (t) => {
      const make = (name: string) => {
        ip('link', 'add', 'name', name, 'index', '7001', 'type', 'veth', 'peer', 'name', 'away0')
        up(['away0', name])
      }
      make('name0')
      await using running = await Running.open({ ...options, interfaces: 'name0' })
      sendSync({ interface: 'name0', count: 10 })
      drainRing(running.capture)
      del('name0')
      make('other0')
      sendSync({ interface: 'other0', count: 10, start: 100 })
      drainRing(running.capture)
      del('other0')
      make('name0')
      sendSync({ interface: 'name0', count: 10, start: 10 })
      t.same(await running.stop(), lines('name0', 7001, 0, 20))
      const stats = running.capture.stats()
      t.same(imbalances(stats), [])
      t.equal(
        new Set(stats.interfaces.filter(({ index }) => index === 7001).map(({ generation }) => generation)).size,
        3,
      )
      del('name0')
    },
  )
}
