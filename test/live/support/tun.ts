import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createInterface } from 'node:readline'
import type { FrameOptions } from './frame.js'
import { assertInside } from './namespace.js'
import { ip, up } from './network.js'
import type { Sent } from './send.js'
import { tool } from './tools.js'

/** Numbered packets for a tun device. */
export interface TunWrite extends Pick<FrameOptions, 'size' | 'port' | 'flows' | 'label'> {
  count: number
  /** Number of the first packet. Default 0. */
  start?: number
  /** Packets per second, evenly paced; 0: as fast as possible. Default 0. */
  rate?: number
}

/** A tun device that is up and has a carrier. Packets sent on it (`send` with `raw: true`) are discarded. */
export interface Tun {
  readonly name: string
  /**
   * Writes numbered packets (`expectedFrame` with `raw: true`) to the device, which the kernel receives on it. Only one
   * call at a time.
   */
  write(packets: TunWrite): Promise<Sent>
  /** Removes the device. */
  close(): Promise<void>
}

/** Whether tun devices can be made here; /dev/net/tun may be missing, or accessible to root only. */
export function tunAvailable(): boolean {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Makes a tun device: raw IP, no Ethernet header. It is removed at the end of the test at the latest.
 *
 * @param hardwareType The type that the device claims to be of, an ARPHRD_ number, whatever its packets are. Default:
 *   ARPHRD_NONE, as of every tun device.
 */
export async function openTun(name: string, hardwareType?: number): Promise<Tun> {
  assertInside()
  const type = hardwareType === undefined ? [] : [String(hardwareType)]
  const child = spawn(tool('tun_hold'), [name, ...type], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  // One output line per iteration; ends when the process ends.
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  // The child keeps the event loop alive only while a response is pending.
  const handles = [child, child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[]
  const answer = async (count: number) => {
    for (const handle of handles) handle.ref()
    try {
      const { value, done } = await lines.next()
      const sent = (done ? { sent: 0 } : JSON.parse(value)) as Sent
      if (!done && sent.sent === count) return sent
      await ended
      throw new Error(
        `tun device ${name}: ${said.trim() || 'the program that holds it has ended'}; written: ${sent.sent}`,
      )
    } finally {
      for (const handle of handles) handle.unref()
    }
  }
  await answer(0)
  // Sent packets queue until the program reads them; with the default queue of 500 packets, some would be dropped.
  ip('link', 'set', 'dev', name, 'txqueuelen', '50000')
  up(name)
  return {
    name,
    async write({ count, start = 0, size = 64, rate = 0, label = 0, port = 9, flows = 1 }) {
      child.stdin.write(`write ${start} ${count} ${size} ${rate} ${label} ${port} ${flows}\n`)
      return await answer(count)
    },
    async close() {
      for (const handle of handles) handle.ref()
      child.stdin.end()
      await ended
    },
  }
}
