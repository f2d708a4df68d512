import type { EventEmitter } from 'node:events'

/**
 * Emits an event synchronously. An exception from a listener becomes an uncaught exception, as in a timer's callback,
 * and does not interrupt the caller.
 *
 * @internal
 */
export function emitSafely<Events extends Record<keyof Events, unknown[]>, Name extends keyof Events & string>(
  emitter: EventEmitter<Events>,
  name: Name,
  ...args: Events[Name]
): void {
  try {
    ;(emitter as EventEmitter).emit(name, ...args)
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
