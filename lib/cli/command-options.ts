import type { Compression } from '../index.js'

/** The options that choose and describe packets, as the parser delivers them. */
export interface ViewOptions {
  readonly filter?: string
  readonly count?: number
  readonly hex: number
  readonly link?: boolean
  readonly verbose?: boolean
  readonly time: number
  readonly nano?: boolean
  readonly json?: boolean
  readonly interface?: string[]
  readonly exclude?: string[]
}

export interface CaptureCommandOptions extends ViewOptions {
  readonly read?: string
  readonly snapshotLength?: number
  readonly loopback?: boolean
  readonly hotplug: boolean
  readonly promiscuous?: boolean
  readonly direction?: 'in' | 'out' | 'inout'
  readonly buffer?: number
  readonly ringCpus?: number[] | 'auto'
  readonly ringMode?: 'hash' | 'cpu'
  readonly netns?: string
  readonly backend?: 'ring' | 'pcap'
  readonly dedupe?: boolean
  readonly sample?: number
  readonly sampleSeed?: number
  readonly slice?: 'headers' | 'l4' | number
  readonly cutoff?: number
  readonly owners?: boolean
  readonly write?: string
  readonly fileSize?: number
  readonly seconds?: number
  readonly files?: number
  readonly command?: string
  readonly compress?: Compression
}

/** The options that choose packets alone. */
export type CaptureSelection = Omit<CaptureCommandOptions, 'hex' | 'time'>
