/** A log for parts that are tested by themselves: it writes nothing. */
import type { Log } from '../../src/common/log.js'

const ignore = () => {}

export const silentLog = { info: ignore, warn: ignore, error: ignore, debug: ignore, detail: ignore } as unknown as Log
