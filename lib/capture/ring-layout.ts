import { checkEntry, checkInteger, checkList, orElse } from '../arguments.js'
import { CaptureError, optionError } from '../errors.js'
import { Sharing } from '../native/numbers.js'
import { nearProcessors } from '../processors.js'
import type { NativeCaptureOptions } from './native.js'

const maxRings = 64
/** The kernel can be built for as many (NR_CPUS). */
const maxProcessor = 8191
const sharing = { hash: Sharing.BY_FLOW, cpu: Sharing.BY_PROCESSOR } as const

/** Those of `RingOptions` that it depends on. */
interface LayoutOptions {
  readonly count?: number | undefined
  readonly perInterface?: number | undefined
  readonly mode?: keyof typeof sharing | undefined
  readonly cpus?: readonly number[] | 'auto' | undefined
  readonly group?: unknown
}

type Layout = Pick<NativeCaptureOptions, 'ringCount' | 'sharing' | 'processors'>

function exclude(one: string, other: string): never {
  throw new CaptureError('ERR_OPTION', `ring.${one} and ring.${other} exclude each other`, { option: `ring.${one}` })
}

/** Checks how many rings there are, how they share the traffic, and where they are. @internal */
export function normaliseLayout(ring: LayoutOptions): Layout {
  const perInterface = checkInteger(orElse(ring.perInterface, 0), 'ring.perInterface', 0, maxRings - 1)
  if (perInterface > 0) {
    for (const key of ['count', 'mode'] as const) if (ring[key] !== undefined) exclude('perInterface', key)
    if (ring.group !== undefined) exclude('group', 'perInterface')
  }
  if (ring.group !== undefined && ring.mode !== undefined) exclude('group', 'mode')
  const mode = checkEntry(orElse(ring.mode, 'hash'), 'ring.mode', sharing)
  const given = ring.count === undefined ? undefined : checkInteger(ring.count, 'ring.count', 1, maxRings)
  const wanted = perInterface > 0 ? perInterface + 1 : given
  const processors = checkProcessors(ring.cpus, wanted)
  return {
    ringCount: wanted ?? Math.max(1, processors.length),
    sharing: perInterface > 0 ? Sharing.BY_INTERFACE : mode,
    processors,
  }
}

/** @param rings Their number, if it is given. */
function checkProcessors(value: LayoutOptions['cpus'], rings: number | undefined): number[] {
  if (value === undefined) return []
  const expected = `'auto' or a list of ${rings === undefined ? `1 to ${maxRings}` : rings} processors, one for each ring`
  if (value === 'auto') {
    const near = nearProcessors()
    const chosen = near?.slice(0, rings ?? 1) ?? []
    if (chosen.length > 0 && chosen.length === (rings ?? 1)) return chosen
    const why = near
      ? `this process uses ${near.length} processors`
      : 'its processors are unknown: /proc cannot be read'
    throw new CaptureError('ERR_OPTION', `ring.cpus cannot be 'auto' with ${rings ?? 1} rings: ${why}`, {
      option: 'ring.cpus',
    })
  }
  const list = checkList(value, 'ring.cpus', expected, maxRings)
  if (list.length === 0 || (rings !== undefined && list.length !== rings)) {
    throw optionError('ring.cpus', expected, value)
  }
  const processors = list.map((one, i) => checkInteger(one, `ring.cpus[${i}]`, 0, maxProcessor))
  const twice = processors.find((one, i) => processors.indexOf(one) !== i)
  if (twice !== undefined) {
    throw new CaptureError('ERR_OPTION', `ring.cpus must have each processor once; ${twice} is there twice`, {
      option: 'ring.cpus',
    })
  }
  return processors
}
