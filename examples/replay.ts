/**
 * Sends the packets of a pcap or pcapng file out of an interface, with the file's own timing, faster, or at full speed.
 *
 *   sudo node dist/work/examples/replay.js trace.pcap eth1 [--speed 2 | fastest] [--loop 3] [--max-gap 1000] [--filter udp]
 *
 * Without an interface it is a rehearsal, for which no privilege is needed: in a network namespace of its own the packets
 * go through a pair of veth devices, and a capture at the other end counts what arrives.
 *
 * --speed: times as fast as in the file, or `fastest`; default 1. --loop: passes through the file, 0: until Ctrl-C;
 * default 1. --max-gap: milliseconds to which longer silences are cut. --filter: a pcap-filter expression. --netns: path
 * of the network namespace that the interface is in. Exit code 1: a frame was refused.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Capture, CaptureError, type ReplayProgress, type ReplayResult, replay } from 'ringtap'
import { fail } from './support/command.js'
import { isInside, runInNamespace, withoutIpv6 } from './support/demo/namespace.js'
import { count, plural } from './support/format.js'

const { file, interfaceName, ...options } = commandLine()
if (interfaceName !== undefined) report(await send(interfaceName))
else if (isInside()) await rehearse()
else process.exitCode = await runInNamespace(fileURLToPath(import.meta.url), process.argv.slice(2))

async function send(name: string): Promise<ReplayResult | undefined> {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  let last: ReplayProgress | undefined
  try {
    return await replay(file, {
      ...options,
      interface: name,
      signal: interrupted.signal,
      onProgress: (progress) => {
        last = progress
        if (process.stderr.isTTY) process.stderr.write(`\r${soFar(progress)}\x1b[K`)
      },
    })
  } catch (error) {
    if (process.stderr.isTTY) process.stderr.write('\n')
    if (last) console.log(`ended early: ${soFar(last)}`)
    if (!interrupted.signal.aborted) fail(error)
    process.exitCode = 130
    return undefined
  } finally {
    if (process.stderr.isTTY) process.stderr.write('\n')
  }
}

async function rehearse(): Promise<void> {
  process.on('disconnect', () => process.exit(130))
  process.channel?.unref()
  withoutIpv6()
  const ip = (...words: string[]) => {
    const { status, stderr, error } = spawnSync('ip', words, { encoding: 'utf8' })
    if (status !== 0) fail(new CaptureError('ERR_SYSTEM', `ip ${words.join(' ')}: ${error?.message ?? stderr}`))
  }
  ip('link', 'add', 'near', 'mtu', '65535', 'type', 'veth', 'peer', 'name', 'far', 'mtu', '65535')
  ip('link', 'set', 'far', 'up')
  ip('link', 'set', 'near', 'up')
  const capture = await Capture.open({ interfaces: 'far', direction: 'in' }).catch(fail)
  const counting = (async () => {
    let packets = 0
    for await (const chunk of capture) packets += chunk.packetCount
    return packets
  })()
  const result = await send('near')
  await capture.stop()
  report(result)
  console.log(`arrived at the other end: ${plural(await counting, 'packet')}`)
  await capture.close()
}

function soFar({ sent, refused, bytes, passes, seconds }: ReplayProgress): string {
  return `${plural(sent, 'packet')} sent, ${count(refused)} refused, ${plural(bytes, 'byte')}, pass ${passes}, ${seconds.toFixed(1)} s`
}

function report(result: ReplayResult | undefined): void {
  if (!result) return
  const { sent, bytes, refusals, seconds, packetsPerSecond, lateness, warnings } = result
  for (const warning of warnings) console.error(`warning: ${warning}`)
  const rate = `${count(Math.round(packetsPerSecond))} packets/s, ${count(Math.round((bytes * 8) / Math.max(seconds, 1e-9) / 1e6))} Mbit/s`
  console.log(`${plural(sent, 'packet')} sent, ${plural(bytes, 'byte')}, in ${seconds.toFixed(3)} s: ${rate}`)
  if (lateness) console.log(`late by ${lateness.mean.toFixed(3)} ms on average, ${lateness.max.toFixed(3)} ms at most`)
  for (const { cause, errorName, count: times, positions } of refusals) {
    const first = positions.slice(0, 5).map((position) => position + 1)
    const more = times > first.length ? ', …' : ''
    console.log(
      `${plural(times, 'packet')} refused: ${cause}${errorName ? ` (${errorName})` : ''}, number ${first.join(', ')}${more}`,
    )
  }
  if (refusals.length > 0) process.exitCode = 1
}

function commandLine() {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        speed: { type: 'string', default: '1' },
        loop: { type: 'string', default: '1' },
        'max-gap': { type: 'string' },
        filter: { type: 'string' },
        netns: { type: 'string' },
      },
    })
    const [file, interfaceName] = positionals
    if (file === undefined) throw new CaptureError('ERR_OPTION', 'a file to replay is missing')
    return {
      file,
      interfaceName,
      speed: values.speed === 'fastest' ? ('fastest' as const) : Number(values.speed),
      loop: Number(values.loop) || Number.POSITIVE_INFINITY,
      maxGap: values['max-gap'] === undefined ? undefined : Number(values['max-gap']),
      filter: values.filter,
      netns: values.netns,
    }
  } catch (error) {
    fail(error)
  }
}
