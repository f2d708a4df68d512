import type { EventEmitter } from 'node:events'
import { CaptureError } from './errors.js'

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

/** Events of every emitter. `events.once()` and `events.on()` add a listener for `error` to any emitter. */
const ofEveryEmitter = ['error', 'newListener', 'removeListener']

/**
 * Makes the emitters of a class throw `ERR_OPTION` if a listener is added for an event that they do not have: such a
 * listener would never be called. Symbols are accepted, because Node.js uses them for events of its own.
 *
 * @param hint Ends the message: where what one may have looked for is found.
 * @internal
 */
export function refuseUnknownEvents<Events extends Record<keyof Events, unknown[]>>(
  { name: className, prototype }: { readonly name: string; readonly prototype: EventEmitter<Events> },
  events: Readonly<Record<keyof Events & string, true>>,
  hint: string,
): void {
  const check = (name: unknown): void => {
    if (typeof name !== 'string' || Object.hasOwn(events, name) || ofEveryEmitter.includes(name)) return
    throw new CaptureError(
      'ERR_OPTION',
      `${className} has no event '${name}'; there are ${Object.keys(events).join(', ')}. ${hint}`,
      { option: 'eventName' },
    )
  }
  // once() and prependOnceListener() call these.
  for (const method of ['on', 'addListener', 'prependListener'] as const) {
    const original = (prototype as EventEmitter)[method]
    const value = function (this: EventEmitter, ...args: Parameters<typeof original>): EventEmitter {
      check(args[0])
      return original.apply(this, args)
    }
    Object.defineProperty(value, 'name', { value: method })
    Object.defineProperty(prototype, method, { value, configurable: true, writable: true })
  }
}
