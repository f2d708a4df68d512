/** What the live tests of the sensor share: certificates, frames, a collector and settings. */
import type { Test } from 'tap'
import { type Certificates, makeCertificates } from './certificates.js'
import { type CollectorOptions, HttpsCollector, key } from './https-collector.js'

/** Numbered frames, from `start`, that no protocol stack answers. */
export function frames(count: number, { size = 200, start = 0 } = {}): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => {
    const frame = Buffer.alloc(size, 0x5a)
    frame.write('02000000000102000000000288b5', 'hex')
    frame.writeUInt32BE(start + n, 14)
    return frame
  })
}

export class Bench {
  readonly certificates: Certificates
  readonly #folder: string
  #folders = 0

  /** `folder`: where everything is kept. */
  constructor(folder: string) {
    this.#folder = folder
    this.certificates = makeCertificates(folder)
  }

  /** The path of a folder that does not exist yet. */
  fresh(name: string): string {
    return `${this.#folder}/${name}-${this.#folders++}`
  }

  async collector(t: Test, options: Partial<CollectorOptions> = {}): Promise<HttpsCollector> {
    const collector = new HttpsCollector({
      folder: this.fresh('store'),
      certificates: this.certificates,
      ...options,
    })
    await collector.listen()
    t.teardown(() => collector.close())
    return collector
  }

  /** Settings for a sensor of this collector that captures eth0. */
  settings(collector: HttpsCollector, more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      VSENSOR_HOSTNAME: '127.0.0.1',
      VSENSOR_PORT: String(collector.port),
      VSENSOR_HMAC_KEY: key,
      SENSOR_TLS_CA: this.certificates.ca,
      SENSOR_NAME: 'node-1',
      NETWORK_DEVICE_INCLUDELIST: '^eth0$',
      SENSOR_BATCH_MILLISECONDS: '50',
      SENSOR_REPORT_SECONDS: '1',
      ...more,
    }
  }
}
