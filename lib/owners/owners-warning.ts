import { CaptureError } from '../errors.js'
import type { OwnerGap } from './socket-owner.js'

/** A warning that says what cannot be found out for lack of a privilege; `undefined` if that is nothing. @internal */
export function ownersWarning(missing: readonly OwnerGap[]): CaptureError | undefined {
  const lacking = missing.filter(({ capability }) => capability !== undefined)
  if (lacking.length === 0) return undefined
  const reasons = lacking.map(({ reason, capability }) => `${reason} (${capability})`).join('; ')
  return new CaptureError('ERR_PERMISSION', `not every owner of packets can be found out: ${reasons}`, {
    option: 'owners',
  })
}
