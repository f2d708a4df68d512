import { randomBytes } from 'node:crypto'
import type { SignedHead } from '../../../src/wire/headers.js'
import type { Report } from '../../../src/wire/report.js'
import { digestOf, signRequest } from '../../../src/wire/signature.js'
import { boot, key } from './batches.js'

const nothing = { batches: 0, packets: 0, bytes: 0 }

/** A report of `node-1` that nothing was lost, or what is given. */
export function makeReport(given: Partial<Report> = {}): Report {
  return {
    name: 'node-1',
    host: 'node-1.example',
    version: '0.1.0',
    boot,
    startedAt: 1_700_000_000_000,
    time: Date.now(),
    final: false,
    interfaces: [],
    totals: { captured: 0, recovered: nothing, stored: nothing, spooled: nothing, waiting: nothing },
    lost: { ring: 0, overflow: 0, malformed: 0, spool: 0, limit: 0, refused: 0, unsent: 0, killed: 0 },
    spool: nothing,
    lag: 0,
    retries: 0,
    lossRatio: 0,
    states: [],
    cuts: [],
    ...given,
  }
}

/** The signed head and the body of a request that brings a report. */
export function signReport(report: Report, sequence: number, withKey = key): { head: SignedHead; body: Buffer } {
  const body = Buffer.from(JSON.stringify(report))
  const head = {
    ...{ method: 'POST', path: '/v1/reports', time: Date.now(), nonce: randomBytes(16).toString('hex') },
    ...{ sensor: report.name, boot: report.boot, sequence },
  }
  const digest = digestOf(body)
  return { head: { ...head, digest, signature: signRequest(Buffer.from(withKey), head, digest) }, body }
}
