/** The JetStream stream between sensors and collectors: names, and what it must be for no message to be lost in it. */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

export const streamName = 'RINGTAP'
export const consumerName = 'collectors'

export const batchSubject = (sensor: string): string => `ringtap.batches.${sensor}`
export const reportSubject = (sensor: string): string => `ringtap.reports.${sensor}`
/** Answers to a sensor's messages; not in the stream. */
export const controlSubject = (sensor: string): string => `ringtap.control.${sensor}`

/** The query of a message: the head of a batch. Empty for a report. */
export const queryHeader = 'x-sensor-query'
/** The status of an answer, as of HTTP. */
export const statusHeader = 'x-collector-status'

/** What stands for method and path in the signature of a message. */
export const messageMethod = 'PUBLISH'
export const messagePath = (subject: string, query: string): string => (query ? `${subject}?${query}` : subject)

export interface StreamLimits {
  /** Bytes of messages that wait for a collector, at most: beyond them the server refuses, and sensors spool. */
  readonly bytes: number
  /** How many servers of a cluster hold each message. */
  readonly replicas: number
}

const subjects = [batchSubject('*'), reportSubject('*')]

/** Nanoseconds for which the server drops a message whose id it has seen: as long as a sensor retries, and more. */
const duplicateWindow = 10 * 60 * 1e9

/**
 * Creates the stream, or checks the one that exists.
 *
 * @throws Error which names every property of an existing stream that could lose messages, or says why it could not be
 *   created.
 */
export async function ensureStream(connection: NatsConnection, limits: StreamLimits): Promise<void> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  const found = async () => (await streams.info(streamName)).config
  let config: StreamConfig
  try {
    config = await found()
  } catch (error) {
    if (!isStreamMissing(error)) throw error
    try {
      config = (await streams.add(wanted(limits))).config
    } catch (failure) {
      // Another sensor or collector may have created it meanwhile, with other limits.
      if (!(failure instanceof JetStreamApiError)) throw failure
      config = await found().catch(() => {
        throw failure
      })
    }
  }
  const faults = streamFaults(config)
  if (faults.length > 0) throw new Error(`stream ${streamName} would lose messages: ${faults.join('; ')}`)
}

function wanted({ bytes, replicas }: StreamLimits) {
  return {
    name: streamName,
    subjects,
    // A message leaves the stream once a collector has acknowledged it, and for no other reason.
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    max_bytes: bytes,
    num_replicas: replicas,
    duplicate_window: duplicateWindow,
  }
}

/** Whether the server has no such stream. */
export function isStreamMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound
}

/** What of a stream's configuration could lose messages, or lets none in. */
export function streamFaults(config: StreamConfig): string[] {
  const { retention, discard, storage, max_age: age, max_msgs_per_subject: perSubject } = config
  const missing = subjects.filter((subject) => !config.subjects.includes(subject))
  return [
    ...(missing.length > 0 ? [`it has no subject ${missing.join(', ')}`] : []),
    ...(retention === RetentionPolicy.Workqueue ? [] : [`retention is ${retention}, not workqueue`]),
    ...(discard === DiscardPolicy.New ? [] : [`discard is ${discard}, not new`]),
    ...(storage === StorageType.File ? [] : [`storage is ${storage}, not file`]),
    ...(age ? ['max_age is set'] : []),
    ...(perSubject > 0 ? ['max_msgs_per_subject is set'] : []),
    ...(config.no_ack ? ['no_ack is set'] : []),
    ...(config.sealed ? ['it is sealed'] : []),
  ]
}
