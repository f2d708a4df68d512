import type { EventEmitter } from 'node:events'

/**
 * Emits an event now. What a listener throws becomes an uncaught exception, as in a timer's callback, instead of ending
 * what the library was doing when it reported the event.
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
