import path from 'node:path'
import { checkBoolean, checkGroup, checkInteger, checkName, checkNetns, orElse } from '../arguments.js'
import type { NativeOwnerOptions } from './native.js'

/** Options of {@link SocketOwners.open}; all are optional. */
export interface SocketOwnersOptions {
  /**
   * Path of the network namespace whose packets are asked about; needs CAP_SYS_ADMIN. It is the one to which addresses of
   * loopback belong. Default: that of this process.
   */
  netns?: string | undefined
  /**
   * Follow the sockets of all network namespaces with processes, those of containers too; entering them needs
   * CAP_SYS_ADMIN. Default true. With false, only those of `netns`.
   */
  everyNamespace?: boolean | undefined
  /** Where procfs is mounted, for a program in a container that has the host's at another place. Default `/proc`. */
  procfs?: string | undefined
  /** Where the host's file system is mounted, with `/etc/passwd` and the files of container runtimes. Default `/`. */
  root?: string | undefined
  /**
   * Bytes for sockets and processes, approximately; 1 MiB to 4 GiB. Sockets that have ended make room for new ones, the
   * oldest first; what does not fit is counted ({@link SocketOwnersStats.refused}). Default 32 MiB: some 60 000 sockets.
   */
  memory?: number | undefined
  /** Milliseconds for which a socket is kept after its end, 0 to 3600000. Default 60000. */
  history?: number | undefined
  /**
   * Milliseconds between two lists of all sockets that are made unasked, 10 to 3600000. Default 500. A list takes at most
   * a tenth of a processor's time, and more time passes between two if it would.
   */
  interval?: number | undefined
}

/** @internal */
export interface OwnerSettings {
  readonly root: string
  readonly procfs: string
  readonly native: NativeOwnerOptions
}

/** The options beside `netns`. @internal */
export const ownerKeys = ['everyNamespace', 'procfs', 'root', 'memory', 'history', 'interval'] as const
const hour = 3_600_000

/** @throws CaptureError `ERR_OPTION`. @internal */
export function normaliseOwnerOptions(given: SocketOwnersOptions | undefined, label: string): OwnerSettings {
  const options = checkGroup(given, label, ['netns', ...ownerKeys])
  const at = (name: string) => `${label}.${name}`
  const root = checkName(orElse(options.root, '/'), at('root'), 'the path of a folder')
  const procfs = checkName(orElse(options.procfs, '/proc'), at('procfs'), 'the path of a mounted procfs')
  return {
    root,
    procfs,
    native: {
      netns: checkNetns(options.netns, at('netns')) ?? '',
      procfs,
      directories: ['run/netns', 'run/docker/netns'].map((folder) => path.join(root, folder)),
      everySpace: checkBoolean(orElse(options.everyNamespace, true), at('everyNamespace')),
      memory: checkInteger(orElse(options.memory, 2 ** 25), at('memory'), 2 ** 20, 2 ** 32, 'bytes'),
      history: checkInteger(orElse(options.history, 60_000), at('history'), 0, hour, 'milliseconds') * 1e6,
      interval: checkInteger(orElse(options.interval, 500), at('interval'), 10, hour, 'milliseconds') * 1e6,
    },
  }
}
