// Which C library this process runs on. Node's own files do not say it, and the addon must be for the same one.

export type Libc = 'glibc' | 'musl' | 'unknown'

/** Reads it from what the process has mapped, or, where that cannot be read, from the process's report. */
export function libcOf(): Libc {
  try {
    const { readFileSync } = process.getBuiltinModule('node:fs')
    const libc = mappedLibc(readFileSync('/proc/self/maps', 'latin1'))
    if (libc !== 'unknown') return libc
  } catch {
    // No /proc, or no permission to read it (node --permission, deno without --allow-read).
  }
  return reportedLibc()
}

/** The C library among the files of /proc/self/maps. */
export function mappedLibc(maps: string): Libc {
  if (/\/ld-musl-\w+\.so\.1$|\/libc\.musl-\w+\.so\.1$|\/libc\.so$/m.test(maps)) return 'musl'
  return /\/(?:libc\.so\.6|libc-2\.\d+\.so|ld-linux[\w.-]*\.so\.\d|ld-2\.\d+\.so)$/m.test(maps) ? 'glibc' : 'unknown'
}

function reportedLibc(): Libc {
  try {
    // Without it, the report looks up the names of all peers that the process is connected to.
    Object.assign(process.report, { excludeNetwork: true })
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
    if (header === undefined) return 'unknown'
    return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  } catch {
    return 'unknown'
  }
}
