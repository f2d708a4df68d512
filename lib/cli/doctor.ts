import { realpathSync } from 'node:fs'
import { type CaptureCheck, checkCapture, type NetworkInterface } from '../index.js'
import { processorsText } from '../processors.js'
import {
  availableMemory,
  type DeviceCounts,
  deviceCounts,
  lockedMemory,
  memoryLimit,
  offloadsOf,
  presentInterfaces,
  type Softnet,
  softnet,
  superFrameOffloads,
} from './doctor-facts.js'
import { type Processors, placementNotes, processors, type Reception, receptionOf } from './doctor-processors.js'
import { ExitCode } from './exit-codes.js'
import { write } from './output.js'
import { inFlags } from './report-error.js'
import { grouped, oneLine, type Paint, paintFor, quantity, wantsColor, wrapped } from './terminal.js'

/** Facts about the system that the check does not have. */
interface Facts {
  readonly softnet: Softnet | undefined
  readonly memory: ReturnType<typeof memoryLimit> & { readonly available: number | undefined }
  readonly lockedMemory: number | undefined
  readonly processors: Processors
  readonly interfaces: readonly Device[]
}

interface Device extends Partial<DeviceCounts> {
  readonly device: NetworkInterface
  /** Those that are on; `undefined` if they could not be read. */
  readonly offloads: readonly string[] | undefined
  /** On which processors its packets arrive; `undefined` if the kernel does not say. */
  readonly reception: Reception | undefined
}

/** `ringtap doctor`: whether this process can capture, and, if not, what is missing and every line that grants it. */
export async function doctorCommand(options: { json?: boolean }): Promise<void> {
  const check = checkCapture()
  const facts = readFacts()
  if (options.json) await write(`${doctorJson(check, facts)}\n`)
  else await write(doctorText(check, facts, paintFor(wantsColor(process.stdout))))
  process.exitCode = check.ok ? ExitCode.Ok : ExitCode.Denied
}

/** Reading the offloads runs a program for each device. */
const maxDevices = 16

function readFacts(): Facts {
  const counts = deviceCounts()
  const devices = presentInterfaces()
  const examined = new Set(devices.filter((one) => one.up && !one.loopback).slice(0, maxDevices))
  return {
    softnet: softnet(),
    memory: { ...memoryLimit(), available: availableMemory() },
    lockedMemory: lockedMemory(),
    processors: processors(),
    interfaces: devices.map((device) => ({
      device,
      ...counts.get(device.name),
      offloads: examined.has(device) ? offloadsOf(device.name) : undefined,
      reception: receptionOf(device.name),
    })),
  }
}

function doctorJson(check: CaptureCheck, facts: Facts): string {
  const interfaces = facts.interfaces.map(({ device, ...rest }) => ({ name: device.name, ...rest }))
  const { text: _, ...rest } = check
  return JSON.stringify({ ...rest, ...facts, interfaces }, undefined, 2)
}

function doctorText(check: CaptureCheck, facts: Facts, paint: Paint): string {
  const verdict = check.ok
    ? paint.green('This process can capture packets.')
    : paint.red('This process cannot capture packets.')
  const parts = [`${verdict}\n`]
  for (const { message, remedy } of check.problems)
    parts.push(`\n${wrapped(`Missing: ${inFlags(message)}.`)}\n${wrapped(`Here: ${inFlags(remedy)}`)}\n`)
  if (check.problems.some(({ code }) => code === 'ERR_PERMISSION')) parts.push(`\n${waysText(paint)}`)
  parts.push(section('Limits', check.limits.map(inFlags), paint))
  parts.push(section('What to know', notes(facts), paint))
  parts.push(`\n${paint.bold('For a bug report')}\n${facing([...checkRows(check), ...factRows(facts)])}`)
  return parts.join('')
}

function section(title: string, lines: readonly string[], paint: Paint): string {
  return lines.length === 0 ? '' : `\n${paint.bold(title)}\n${lines.map((one) => `${wrapped(one)}\n`).join('')}`
}

/** Every way to grant CAP_NET_RAW, as lines to paste. */
function waysText(paint: Paint): string {
  const node = oneLine(realpathSync(process.execPath))
  const ways = [
    ['sudo', 'sudo ringtap'],
    ['setcap, for all programs of this Node', `sudo setcap cap_net_raw,cap_bpf+ep ${node}`],
    ['systemd, in [Service]', 'AmbientCapabilities=CAP_NET_RAW CAP_BPF'],
    ['docker', 'docker run --network host --user root --cap-add NET_RAW --cap-add BPF IMAGE'],
    ['compose', '{ network_mode: host, user: root, cap_add: [NET_RAW, BPF] }'],
    [
      'Kubernetes, in the pod and in the container',
      'hostNetwork: true\n    securityContext: { runAsUser: 0, capabilities: { add: ["NET_RAW", "BPF"] } }',
    ],
    ['user namespace, with an empty network of its own', 'unshare -rn ringtap'],
  ]
  return `${paint.bold('Ways to grant it')} (CAP_NET_RAW is needed; CAP_BPF adds counters per interface)\n${ways
    .map(([name, line]) => `  ${name}:\n    ${line}\n`)
    .join('')}`
}

/** What explains surprises, and what to do about it. */
function notes({ softnet, interfaces, memory, processors }: Facts): string[] {
  const lines: string[] = []
  const merging = interfaces.filter(({ offloads }) => superFrameOffloads(offloads ?? []).length > 0)
  if (merging.length > 0) {
    const [first] = merging
    const names = merging.map(({ device }) => oneLine(device.name)).join(', ')
    const flags = superFrameOffloads(first!.offloads!).map((one) => `${one}\u00a0off`)
    lines.push(
      `Packets of up to 64 KiB, larger than the MTU, come from offloads of ${names}. As on the wire, with more work for the ` +
        `processors: ${['ethtool', '-K', oneLine(first!.device.name), ...flags].join('\u00a0')}`,
    )
  }
  if (softnet && softnet.dropped > 0)
    lines.push(
      `The processors' queues have dropped ${grouped(softnet.dropped)} packets since the system was started, before any capture ` +
        'could see them. Longer queues: sysctl\u00a0-w\u00a0net.core.netdev_max_backlog=10000',
    )
  for (const { device, losses } of interfaces) {
    const lost = Object.entries(losses ?? {})
    if (lost.length === 0) continue
    const text = lost.map(([cause, count]) => `${grouped(count)} ${cause}`).join(', ')
    lines.push(`${oneLine(device.name)} has lost packets before any capture could see them: ${text}.`)
  }
  for (const { device, reception } of interfaces)
    if (reception) lines.push(...placementNotes(oneLine(device.name), reception, processors))
  const free = memory.limit === undefined ? undefined : memory.limit - (memory.used ?? 0)
  if (free !== undefined && free < 256 * 2 ** 20)
    lines.push(
      `The control group has ${quantity(free, 'B')} left of ${quantity(memory.limit!, 'B')}. A capture takes 64 MiB for its ring and up to ` +
        '64 MiB for overflow: less with -B.',
    )
  return lines
}

function checkRows(check: CaptureCheck): [string, string][] {
  const yes = (value: boolean) => (value ? 'yes' : 'no')
  const capabilities = Object.entries(check.capabilities).map(([name, value]) => `${name}: ${yes(value)}`)
  return [
    ['kernel', check.kernel],
    ['node', `${process.version} ${process.arch}`],
    ['libpcap', check.libpcap ?? 'the addon could not be loaded'],
    ['user', `uid ${check.uid ?? 'unknown'}, user namespace: ${yes(check.userNamespace)}`],
    ['capabilities', capabilities.join(', ')],
    ['packet socket', yes(check.packetSocket)],
    ['ring', yes(check.ring)],
    ['table', tableText(check)],
    ...Object.entries(check.sysctls).map(([name, value]): [string, string] => ['sysctl', `${name} = ${value}`]),
  ]
}

/** Which form of the filter's table of interfaces a capture gets, and why. */
function tableText({ ebpf, capabilities: { bpf, sysAdmin }, userNamespace, sysctls, libpcap }: CaptureCheck): string {
  if (libpcap === undefined) return 'unknown without the addon'
  if (ebpf) {
    const why = bpf ? 'CAP_BPF' : sysAdmin ? 'CAP_SYS_ADMIN' : 'kernel.unprivileged_bpf_disabled = 0'
    return `eBPF map, counts per interface; allowed by ${why}`
  }
  const why = userNamespace
    ? 'a user namespace has no eBPF'
    : bpf || sysAdmin || sysctls['kernel.unprivileged_bpf_disabled'] === '0'
      ? 'bpf(2) is refused'
      : 'no CAP_BPF'
  return `classic BPF, counts in total; ${why}`
}

function factRows({ softnet, memory, lockedMemory, processors, interfaces }: Facts): [string, string][] {
  const bytes = (value: number | undefined, none: string) => (value === undefined ? none : quantity(value, 'B'))
  const used = memory.used === undefined ? '' : `, ${quantity(memory.used, 'B')} used`
  const queues = softnet && `${grouped(softnet.dropped)} dropped, ${grouped(softnet.squeezed)} times out of budget`
  const unread = interfaces.some(({ device, offloads }) => device.up && !device.loopback && !offloads)
  return [
    ['memory limit', `${bytes(memory.limit, 'none')}${used}`],
    ['available memory', bytes(memory.available, 'unknown')],
    ['locked memory', bytes(lockedMemory, 'unlimited')],
    ['processors', placesText(processors)],
    ["processors' queues", queues ?? 'unknown'],
    ...interfaces.flatMap(deviceRows),
    ...(unread ? [['offloads', 'some are unknown: is ethtool(8) installed?'] as [string, string]] : []),
  ]
}

function placesText({ usable, isolated, nodes }: Processors): string {
  const used = usable === undefined ? 'unknown' : processorsText(usable)
  const apart = isolated.length === 0 ? '' : `, isolated: ${processorsText(isolated)}`
  const parts = nodes.length < 2 ? '' : `; NUMA nodes: ${nodes.map(processorsText).join(' | ')}`
  return `${used}${apart}${parts}`
}

function deviceRows({ device, packets, losses, offloads, reception }: Device): [string, string][] {
  const state = device.running ? 'up' : device.up ? 'no carrier' : 'down'
  const lost = Object.entries(losses ?? {}).map(([cause, count]) => `${grouped(count)} ${cause}`)
  const counts = packets === undefined ? '' : `, ${grouped(packets)} in, ${lost.join(', ') || 'none lost'}`
  const rows: [string, string][] = [
    [
      `interface ${oneLine(device.name)}`,
      `${device.kind ?? (device.loopback ? 'loopback' : 'device')}, ${state}, MTU ${device.mtu}${counts}`,
    ],
  ]
  if (reception) {
    const { queues, steered, node } = reception
    const how = steered ? ' by RPS' : ''
    const where = node === undefined ? '' : `, NUMA node ${node}`
    rows.push(['  receives on', `${processorsText(reception.processors)}${how}; queues: ${queues}${where}`])
  }
  if (offloads) rows.push(['  offloads', offloads.map(shortened).join(', ') || 'none'])
  return rows
}

/** `generic-receive-offload` is `generic-receive` under the title "offloads". */
const shortened = (what: string) => what.replace(/-offload$/, '')

/** Rows of a name and a text, indented; a long text is broken between words, and goes on below its begin. */
function facing(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 4
  const columns = (process.stdout.columns || 80) - width
  const place = { isTTY: process.stdout.isTTY, columns }
  return rows
    .map(
      ([name, text]) =>
        `${`  ${name}`.padEnd(width)}${wrapped(text, place).replaceAll('\n', `\n${' '.repeat(width)}`)}\n`,
    )
    .join('')
}
