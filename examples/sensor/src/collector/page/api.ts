/** What the collector answers the page with. */

export interface RateView {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time: number
  /** Per second. */
  readonly packets: number
  readonly bytes: number
  /** Share of the packets that were lost, 0 to 1. */
  readonly loss: number
  /** Bytes per second, as compressed. */
  readonly sent: number
  readonly spooled: number
  /** Milliseconds. */
  readonly lag: number
  /** Packets per second. */
  readonly interfaces: Readonly<Record<string, number>>
}

export interface InterfaceView {
  readonly name: string
  readonly index: number
  readonly present: boolean
  readonly selected: boolean
  readonly received?: number | undefined
  readonly delivered: number
  readonly bytes: number
  readonly dropped?: number | undefined
  readonly container?:
    | {
        readonly id: string
        readonly name?: string | undefined
        readonly pod?: string | undefined
        readonly namespace?: string | undefined
      }
    | undefined
}

export interface ReportView {
  readonly host: string
  readonly version: string
  readonly boot: string
  readonly startedAt: number
  readonly final: boolean
  readonly interfaces: readonly InterfaceView[]
  readonly totals: {
    readonly captured: number
    readonly sampledOut?: number | undefined
    readonly stored: { readonly packets: number; readonly bytes: number }
  }
  readonly lost: Readonly<Record<string, number>>
  readonly spool: {
    readonly batches: number
    readonly packets: number
    readonly bytes: number
    readonly limit?: number | undefined
  }
  readonly lag: number
  readonly retries: number
  readonly lossRatio: number
  readonly states: readonly { readonly name: string; readonly active: boolean; readonly detail: string }[]
}

export interface SensorView {
  readonly name: string
  /** Milliseconds since 1970-01-01 UTC; 0: not since the collector was started. */
  readonly lastSeen: number
  readonly state: 'live' | 'silent' | 'ended' | 'unknown'
  readonly address: string | null
  readonly stored: {
    readonly files: number
    readonly bytes: number
    readonly packets: number
    readonly lost: number
    /** Milliseconds since 1970-01-01 UTC of the first and last packet; 0: there is none. */
    readonly first: number
    readonly last: number
  }
  readonly report: ReportView | null
  readonly rate: RateView | null
}

export interface AlertView {
  /** Null: of the collector. */
  readonly sensor: string | null
  readonly kind: string
  readonly level: 'notice' | 'warning' | 'alarm'
  readonly text: string
}

export interface Overview {
  /** The collector's clock. */
  readonly time: number
  readonly sensors: readonly SensorView[]
  readonly alerts: readonly AlertView[]
  readonly disk: {
    readonly free: number
    readonly minFree: number
    readonly used: number
    /** Null: the free disk alone limits the store. */
    readonly limit: number | null
  }
}

/** What a download of a time range would be made from. */
export interface RangeView {
  readonly batches: number
  /** Of the batches, some of which may reach beyond the range. */
  readonly packets: number
  readonly bytes: number
}
