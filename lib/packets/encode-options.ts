/**
 * How a savefile is compressed: `'gzip'` at level 1, or `'zstd'` at level -1 (`zstd --fast=1`), which takes a fraction of the
 * time. Prebuilt addons have both. An addon that was built from source uses the system's libzstd.so.1; without it `'zstd'` is
 * refused with `ERR_OPTION`.
 */
export type Compression = 'gzip' | 'zstd'

/** Options of {@link Chunk.encode}. All are optional. */
export interface EncodeOptions {
  /**
   * `'pcapng'` stores for each packet its interface, its direction and its time to the nanosecond, and comments.
   * `'pcap'` has one link type, no interfaces, and times in nanoseconds. Default `'pcapng'`.
   */
  format?: 'pcapng' | 'pcap' | undefined
  /** Default false. */
  compress?: Compression | false | undefined
}
