/**
 * A node with containers behind a bridge, and a collector's host, as network namespaces:
 *
 *     container 0 … n: eth0 ── veth0 … ─┐
 *                                       br0    the node (this namespace)
 *                                              uplink ── eth0: the collector's host, 10.99.0.2
 *
 * The sensor runs in the node, and captures veth*: each frame from one container to another is seen on the veth pair of
 * its sender (in) and that of its receiver (out).
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { addNamespace, countFrames, inside, ip, type Namespace } from './network.js'
import { Program, type ProgramOptions } from './program.js'

export interface Container extends Namespace {
  readonly number: number
  /** Its end of the pair in the node. */
  readonly veth: string
  readonly address: string
  readonly mac: string
}

export interface LabOptions {
  /** For keys, the spool and the store. */
  readonly directory: string
  readonly containers: number
}

const nodeAddress = '10.99.0.1'
const [nodeMac, hostMac] = ['02:00:00:00:99:01', '02:00:00:00:99:02']
export const collectorAddress = '10.99.0.2'
export const collectorPort = 8443
export const sensorName = 'node-1'

export class Lab {
  readonly directory: string
  readonly containers: Container[] = []
  readonly #host: Namespace
  readonly #programs: Program[] = []
  /** Of the next frame. */
  #number = 0
  #talked = 0

  static async create({ directory, containers }: LabOptions): Promise<Lab> {
    const host = await addNamespace()
    ip([
      'link set lo up',
      'link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
      'link set br0 up',
      `link add uplink type veth peer name eth0 netns ${host.pid}`,
      `link set uplink address ${nodeMac} up`,
      `address add ${nodeAddress}/24 dev uplink`,
      `neighbour add ${collectorAddress} lladdr ${hostMac} nud permanent dev uplink`,
    ])
    ip(
      [
        `link set eth0 address ${hostMac} up`,
        `address add ${collectorAddress}/24 dev eth0`,
        `neighbour add ${nodeAddress} lladdr ${nodeMac} nud permanent dev eth0`,
      ],
      host.pid,
    )
    const lab = new Lab(directory, host)
    lab.#makeSecrets()
    while (lab.containers.length < containers) await lab.addContainer()
    return lab
  }

  private constructor(directory: string, host: Namespace) {
    this.directory = directory
    this.#host = host
  }

  /** Frames of {@link talk} that reached the node: a container's interface drops those for which the kernel has no room. */
  get talked(): number {
    return this.#talked
  }

  /** A process in the collector's namespace. */
  get host(): number {
    return this.#host.pid
  }

  /** Where the collectors store. */
  get store(): string {
    return path.join(this.directory, 'store')
  }

  get spool(): string {
    return path.join(this.directory, 'spool')
  }

  secret(name: string): string {
    return path.join(this.directory, 'secrets', name)
  }

  /** Starts a container. Its interface is up when this resolves, and was seen by nobody before. */
  async addContainer(): Promise<Container> {
    const number = this.containers.length
    const namespace = await addNamespace()
    const [veth, address, mac] = [`veth${number}`, `10.88.0.${number + 10}`, macOf(number)]
    ip([
      `link add ${veth} type veth peer name eth0 address ${mac} netns ${namespace.pid}`,
      `link set ${veth} master br0`,
      `link set ${veth} up`,
    ])
    ip([`address add ${address}/24 dev eth0`, 'link set eth0 up'], namespace.pid)
    const container = { ...namespace, number, veth, address, mac }
    this.containers.push(container)
    this.#connect(container)
    return container
  }

  /** Neighbours are entered by hand, and the bridge learns where each address is: no ARP, no flooding. */
  #connect(added: Container): void {
    spawnSync('bridge', ['fdb', 'replace', added.mac, 'dev', added.veth, 'master', 'static'])
    for (const other of this.containers) {
      if (other === added) continue
      for (const [one, two] of [
        [added, other],
        [other, added],
      ] as const) {
        ip([`neighbour replace ${two.address} lladdr ${two.mac} nud permanent dev eth0`], one.pid)
      }
    }
  }

  /** Starts a collector, and resolves once it listens. */
  async startCollector(
    environment: Record<string, string> = {},
    options: Partial<ProgramOptions> = {},
  ): Promise<Program> {
    const collector = new Program('collector', {
      ...options,
      namespace: this.host,
      environment: {
        COLLECTOR_LISTEN: '0.0.0.0',
        COLLECTOR_PORT: String(collectorPort),
        COLLECTOR_STORE: this.store,
        COLLECTOR_MIN_FREE: '0',
        COLLECTOR_KEYS: this.secret('collector-keys'),
        COLLECTOR_TOKEN_FILE: this.secret('token'),
        COLLECTOR_TLS_CERT: this.secret('tls.crt'),
        COLLECTOR_TLS_KEY: this.secret('tls.key'),
        ...environment,
      },
    })
    this.#programs.push(collector)
    await collector.said(/^listens on /)
    return collector
  }

  /** Starts a sensor, and resolves once it captures. */
  async startSensor(environment: Record<string, string> = {}, options: Partial<ProgramOptions> = {}): Promise<Program> {
    const sensor = new Program('sensor', {
      ...options,
      environment: {
        VSENSOR_HOSTNAME: collectorAddress,
        VSENSOR_PORT: String(collectorPort),
        VSENSOR_HMAC_KEY_FILE: this.secret('hmac-key'),
        SENSOR_TLS_CA: this.secret('ca.crt'),
        SENSOR_NAME: sensorName,
        SENSOR_SPOOL_PATH: this.spool,
        SENSOR_SPOOL_MIN_FREE: '0',
        SENSOR_BATCH_MILLISECONDS: '100',
        SENSOR_REPORT_SECONDS: '1',
        OSSENSOR_STATISTICS: '1',
        NETWORK_DEVICE_INCLUDELIST: '^veth',
        NETWORK_DEVICE_ANY: '1',
        ...environment,
      },
    })
    this.#programs.push(sensor)
    await sensor.said(/^capturing$/)
    return sensor
  }

  /**
   * Has a container send frames to another; see talk.ts. Resolves once they are sent. They are numbered from 0 over all
   * calls.
   */
  async talk(from: Container, to: Container, frames: number, options: TalkOptions = {}): Promise<void> {
    const start = this.#number
    this.#number += frames
    // To an address that the receiver does not have: it answers nothing, and what is sent is all that is captured.
    const order = {
      from: from.mac,
      to: to.mac,
      source: from.address,
      destination: '198.51.100.1',
      start,
      frames,
      ...options,
    }
    const script = fileURLToPath(new URL('./talk.js', import.meta.url))
    const [command, ...args] = inside(from.pid, [process.execPath, script, JSON.stringify(order)])
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number | null]>])
    if (code !== 0) throw new Error(`${from.veth}: sending has failed`)
    this.#talked += frames - Number(said)
  }

  /** The kernel's count of the frames that crossed the containers' pairs, once it has come to rest. */
  async sent(): Promise<number> {
    const sum = () =>
      [...countFrames()].reduce((total, [name, { seen }]) => total + (name.startsWith('veth') ? seen : 0), 0)
    for (let before = -1, now = sum(); ; before = now, now = sum()) {
      if (now === before) return now
      await sleep(150)
    }
  }

  /**
   * Resolves once the sensor, which is the only one and has captured from the start, has forwarded everything that was sent
   * so far, or lost it: by its statistics, which it logs every second.
   */
  async drained(sensor: Program): Promise<void> {
    const sent = await this.sent()
    for (let skip = sensor.lines.length; ; ) {
      const line = await sensor.said(/^statistics$/, skip)
      if (Number(line['captured']) >= sent && Number(line['stored']) + Number(line['lost']) >= sent) return
      skip = sensor.lines.indexOf(line) + 1
    }
  }

  /** Cuts the collector off, or connects it again. */
  cutOff(cut: boolean): void {
    ip([`link set eth0 ${cut ? 'down' : 'up'}`], this.host)
  }

  /** Ends what still runs, and removes the interfaces. */
  async close(): Promise<void> {
    const left = this.#programs.filter((program) => program.running)
    await Promise.all(left.map((program) => program.stop('SIGKILL')))
    // The kernel removes the other ends later, with their namespaces.
    ip(['uplink', 'br0', ...this.containers.map(({ veth }) => veth)].map((name) => `link delete dev ${name}`))
    await Promise.all([...this.containers, this.#host].map((namespace) => namespace.close()))
  }

  #makeSecrets(): void {
    const script = fileURLToPath(new URL('../../../deploy/make-secrets', import.meta.url))
    const directory = path.dirname(this.secret('token'))
    mkdirSync(directory, { recursive: true })
    const { status, stderr, error } = spawnSync(script, [directory, collectorAddress, 'localhost'], {
      encoding: 'utf8',
    })
    if (error ?? status !== 0) throw new Error(`make-secrets: ${error?.message ?? stderr}`)
  }
}

export interface TalkOptions {
  /** Bytes of each. Default 200. */
  readonly size?: number
  /** Frames per second; 0: as fast as possible. Default 10 000. */
  readonly rate?: number
  /** Random bytes, which cannot be compressed. Default false. */
  readonly random?: boolean
}

function macOf(number: number): string {
  return `02:00:00:00:88:${number.toString(16).padStart(2, '0')}`
}
