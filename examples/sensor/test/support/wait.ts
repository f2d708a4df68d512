import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until a condition holds; a test whose condition never does fails by the time-out of its runner. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}
