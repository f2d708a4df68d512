import { CaptureError, explainSelection, type InterfaceSelection, type NetworkInterface } from 'ringtap'

export function iface(name: string, more: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    index: 7,
    name,
    alternativeNames: [],
    kind: undefined,
    linkType: 1,
    hardwareType: 1,
    address: '02:00:00:00:00:07',
    mtu: 1500,
    up: true,
    running: true,
    loopback: false,
    promiscuous: false,
    addresses: [],
    master: undefined,
    peerIndex: undefined,
    peerNetnsId: undefined,
    generation: 1,
    ...more,
  }
}

export const selected = (name: string, selection: InterfaceSelection) => explainSelection(name, selection).selected

/** The CaptureError that `run` throws. */
export function failure(run: () => unknown): CaptureError {
  try {
    run()
  } catch (error) {
    if (error instanceof CaptureError) return error
    throw error
  }
  throw new Error('it did not throw')
}
