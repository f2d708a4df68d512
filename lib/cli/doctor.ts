import { spawnSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { type CaptureCheck, checkCapture, listInterfaces } from '../index.js'
import { ExitCode } from './exit-codes.js'
import { write } from './output.js'
import { inFlags } from './report-error.js'
import { grouped, metric, oneLine, type Paint, paintFor, table, wantsColor, wrapped } from './terminal.js'

/** `ringtap doctor`: whether this process can capture, and, if not, what is missing and every line that grants it. */
export async function doctorCommand(options: { json?: boolean }): Promise<void> {
  const check = checkCapture()
  if (options.json) await write(`${JSON.stringify({ ...check, text: undefined, softnet: softnet() }, undefined, 2)}\n`)
  else await write(doctorText(check, paintFor(wantsColor(process.stdout))))
  process.exitCode = check.ok ? ExitCode.Ok : ExitCode.Denied
}

function doctorText(check: CaptureCheck, paint: Paint): string {
  const verdict = check.ok
    ? paint.green('This process can capture packets.')
    : paint.red('This process cannot capture packets.')
  const parts = [`${verdict}\n`]
  for (const { message, remedy } of check.problems)
    parts.push(`\n${wrapped(`Missing: ${inFlags(message)}.`)}\n${wrapped(`Here: ${inFlags(remedy)}`)}\n`)
  if (check.problems.some(({ code }) => code === 'ERR_PERMISSION')) parts.push(`\n${waysText(paint)}`)
  if (check.limits.length > 0)
    parts.push(`\n${paint.bold('Limits')}\n${check.limits.map((one) => `${wrapped(one)}\n`).join('')}`)
  parts.push(`\n${paint.bold('For a bug report')}\n${indented(factsText(check))}`)
  return parts.join('')
}

/** Every way to grant CAP_NET_RAW, as lines to paste. */
function waysText(paint: Paint): string {
  const node = oneLine(realpathSync(process.execPath))
  const ways = [
    ['sudo', 'sudo ringtap'],
    ['setcap, for all programs of this Node', `sudo setcap cap_net_raw,cap_bpf+ep ${node}`],
    ['systemd', 'AmbientCapabilities=CAP_NET_RAW CAP_BPF'],
    ['docker', 'docker run --network host --cap-add NET_RAW --cap-add BPF IMAGE'],
    ['compose', 'network_mode: host, and cap_add: [NET_RAW, BPF]'],
    ['Kubernetes', 'hostNetwork: true, and securityContext: { capabilities: { add: ["NET_RAW", "BPF"] } }'],
    ['user namespace, with an empty network of its own', 'unshare -rn ringtap'],
  ]
  return `${paint.bold('Ways to grant it')} (CAP_NET_RAW is needed; CAP_BPF adds counters per interface)\n${ways
    .map(([name, line]) => `  ${name}:\n    ${line}\n`)
    .join('')}`
}

function factsText(check: CaptureCheck): string {
  const { capabilities: has } = check
  const yes = (value: boolean) => (value ? 'yes' : 'no')
  const losses = softnet()
  const rows: [string, string][] = [
    ['kernel', check.kernel],
    ['node', `${process.version} ${process.arch}`],
    ['libpcap', check.libpcap ?? 'the addon could not be loaded'],
    ['user', `uid ${check.uid ?? 'unknown'}, user namespace: ${yes(check.userNamespace)}`],
    [
      'capabilities',
      Object.entries(has)
        .map(([name, value]) => `${name}: ${yes(value)}`)
        .join(', '),
    ],
    ['packet socket', yes(check.packetSocket)],
    ['ring', yes(check.ring)],
    ['filter', check.ebpf ? 'eBPF, with counters per interface' : 'classic BPF, with counters in total'],
    ...Object.entries(check.sysctls),
    ['memory limit', memoryLimit()],
    ['locked memory', lockedMemory()],
    [
      "processors' queues",
      losses ? `${grouped(losses.dropped)} dropped, ${grouped(losses.squeezed)} times out of budget` : 'unknown',
    ],
    ...devices(),
    ...offloads(),
  ]
  return table(rows)
}

/** A line per interface, with what the kernel lost in it since it exists. */
function devices(): [string, string][] {
  let lines: string[] = []
  try {
    lines = readFileSync('/proc/net/dev', 'latin1').split('\n').slice(2)
  } catch {
    // No /proc: the interfaces are listed without their losses.
  }
  // name: bytes packets errs drop fifo …
  const counts = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).trim(),
      line
        .slice(line.indexOf(':') + 1)
        .trim()
        .split(/\s+/),
    ]),
  )
  try {
    return listInterfaces().map((one) => {
      const [, packets, errors, dropped, fifo] = (counts.get(one.name) ?? []).map(Number)
      const losses =
        packets === undefined ? '' : `, ${grouped(packets)} in, ${errors} errors, ${dropped} dropped, ${fifo} overruns`
      const state = `${one.kind ?? 'device'}, ${one.running ? 'up' : one.up ? 'no carrier' : 'down'}, MTU ${one.mtu}`
      return [`interface ${oneLine(one.name)}`, state + losses]
    })
  } catch {
    return []
  }
}

/** The offloads of devices, which make packets larger than the MTU and leave checksums to the device. */
function offloads(): [string, string][] {
  const up = listUp()
  const rows: [string, string][] = []
  for (const name of up.slice(0, 16)) {
    const { status, stdout } = spawnSync('ethtool', ['-k', name], { encoding: 'latin1' })
    if (status !== 0 || !stdout) continue
    const on = [...stdout.matchAll(/^([a-z-]*(?:segmentation|receive)-offload|[rt]x-checksumming): on/gm)]
    rows.push([`offloads ${oneLine(name)}`, on.map(([, what]) => what).join(', ') || 'none'])
  }
  return rows.length > 0 || up.length === 0 ? rows : [['offloads', 'unknown: ethtool(8) is not installed']]
}

function listUp(): string[] {
  try {
    return listInterfaces()
      .filter((one) => one.up && !one.loopback)
      .map(({ name }) => name)
  } catch {
    return []
  }
}

/** The sums of /proc/net/softnet_stat over all processors. */
function softnet(): { dropped: number; squeezed: number } | undefined {
  try {
    const rows = readFileSync('/proc/net/softnet_stat', 'latin1').trim().split('\n')
    const cells = rows.map((row) => row.split(' ').map((cell) => Number.parseInt(cell, 16)))
    const sum = (column: number) => cells.reduce((total, row) => total + (row[column] ?? 0), 0)
    return { dropped: sum(1), squeezed: sum(2) }
  } catch {
    return undefined
  }
}

function memoryLimit(): string {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const text = readFileSync(file, 'latin1').trim()
      const bytes = Number(text)
      return text === 'max' || bytes > 2 ** 60 ? 'none' : `${metric(bytes)}B`
    } catch {
      // The other version of cgroups.
    }
  }
  return 'none'
}

function lockedMemory(): string {
  try {
    const line = /^Max locked memory +(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return line === undefined || line === 'unlimited' ? 'unlimited' : `${metric(Number(line))}B`
  } catch {
    return 'unknown'
  }
}

const indented = (text: string) => text.replace(/^(?=.)/gm, '  ')
