/** The state of a sensor, sent every few seconds, and a last time when it ends. Figures count from the sensor's start. */
import { z } from 'zod'
import { lossCauses } from './batch-head.js'

const count = z.int().min(0)
/** Milliseconds since 1970-01-01 UTC. */
const time = z.int().min(0)
/** From the network, or chosen by whoever made the interface: may contain any character. */
const name = z.string().max(256)

const interfaceSchema = z.object({
  name,
  index: count,
  /** Whether it exists now. */
  present: z.boolean(),
  /** Whether it is captured, by the lists. */
  selected: z.boolean(),
  /** Packets accepted by the filter; absent where only a total is available. */
  received: count.optional(),
  /** Packets packed into batches, their bytes, and how many of them were cut to the snapshot length. */
  delivered: count,
  bytes: count,
  truncated: count,
  /** Packets lost between the filter and the batches; absent as with `received`. */
  dropped: count.optional(),
  /** Packets of it that were captured before it was known to be unwanted, and dropped. */
  unselected: count,
  /** Packets that the device or its driver lost ahead of the capture. */
  deviceDropped: count.optional(),
  /** The container at the other end of a veth pair. */
  container: z
    .object({ id: z.string().max(128), name: name.optional(), pod: name.optional(), namespace: name.optional() })
    .optional(),
})

/** Batches, with the packets in them and their compressed size. */
const amountSchema = z.object({ batches: count, packets: count, bytes: count })

export const reportSchema = z.object({
  /** The sensor's name, its host and its version. */
  name: z.string().max(63),
  host: name,
  version: z.string().max(64),
  boot: z.string().regex(/^[0-9a-f]{16}$/),
  /** When the sensor started and when the report was made, by the sensor's clock. */
  startedAt: time,
  time,
  /** Whether the sensor ends with this report. */
  final: z.boolean(),
  interfaces: z.array(interfaceSchema).max(10_000),
  /**
   * `captured + recovered.packets = stored.packets + spooled.packets + waiting.packets + (sum of lost)`, in a quiet
   * moment. In a final report `waiting` is zero.
   */
  totals: z.object({
    /** Packets accepted by the filter on captured interfaces, those lost afterwards included. */
    captured: count,
    /**
     * Packets of flows that sampling left out, not part of `captured`; absent if the kernel did not count them, because the
     * sensor lacks CAP_BPF.
     */
    sampledOut: count.optional(),
    /** What an earlier start of the sensor left in the spool. */
    recovered: amountSchema,
    /** What the collector acknowledged. */
    stored: amountSchema,
    /** What waits in the spool now. */
    spooled: amountSchema,
    /** What waits in memory, or is being sent; packets in the ring and in unfinished batches too. */
    waiting: amountSchema,
  }),
  /** Packets lost, by cause. */
  lost: z.object(
    Object.fromEntries(lossCauses.map((cause) => [cause, count])) as Record<(typeof lossCauses)[number], typeof count>,
  ),
  spool: z.object({
    batches: count,
    packets: count,
    bytes: count,
    /** The most bytes it may hold, and the bytes free on its disk. Absent: unlimited, or in memory. */
    limit: count.optional(),
    free: count.optional(),
    /** The time of the earliest packet in it; absent: it is empty. */
    oldest: time.optional(),
  }),
  /** Milliseconds since the earliest packet that is captured and not yet acknowledged; 0: none is. */
  lag: count,
  retries: count,
  /** Share of the packets of the last minute that were lost, 0 to 1. */
  lossRatio: z.number().min(0).max(1),
  /** How the sensor does less than it was set up to do: those in force, and those that were. */
  states: z
    .array(
      z.object({
        name: z.enum(['snapshot-length', 'sampling', 'limit', 'collector-away', 'spool-full']),
        active: z.boolean(),
        /** How often it began, and the milliseconds it lasted in all. */
        entered: count,
        lasted: count,
        /** What it means now: `128 bytes of each packet`, `1 of 4 flows`. */
        detail: z.string().max(256),
      }),
    )
    .max(16),
  /** Connections that were cut since the last report, or could not be. */
  cuts: z
    .array(
      z.object({
        id: z.string().regex(/^[\w-]{1,64}$/),
        outcome: z.enum(['cut', 'unseen', 'refused', 'ended']),
        /** TCP resets that were sent. */
        resets: count,
        detail: z.string().max(256).optional(),
      }),
    )
    .max(1000),
})

export type Report = z.output<typeof reportSchema>
