// The sources of the libraries that the prebuilt addons contain. Each is pinned by its checksum, which the Debian
// project signs too, in the .dsc file of the source package.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fetchSource } from './debian.mjs'
import { hashOf, run, say, work } from './run.mjs'

/**
 * archive: the file of Debian's source package, as `apt-get source --tar-only` leaves it. same: another origin of the
 * same bytes. repacked: why Debian's file differs from the upstream one.
 */
export const sources = [
  {
    name: 'libpcap',
    version: '1.10.5',
    suite: 'trixie',
    archive: 'libpcap_1.10.5.orig.tar.xz',
    sha256: '84fa89ac6d303028c1c5b754abff77224f45eca0a94eb1a34ff0aa9ceece3925',
    homepage: 'https://www.tcpdump.org/',
    same: 'https://www.tcpdump.org/release/libpcap-1.10.5.tar.xz',
    license: 'BSD-3-Clause',
    licenseFile: 'LICENSE',
    cpe: 'cpe:2.3:a:tcpdump:libpcap:1.10.5:*:*:*:*:*:*:*',
    purl: 'pkg:generic/libpcap@1.10.5',
  },
  {
    name: 'zlib',
    version: '1.3.1',
    suite: 'trixie',
    archive: 'zlib_1.3.dfsg+really1.3.1.orig.tar.gz',
    sha256: '60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb',
    homepage: 'https://zlib.net/',
    repacked: 'without documents and contributed code of other licences',
    license: 'Zlib',
    licenseFile: 'LICENSE',
    cpe: 'cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*',
    purl: 'pkg:generic/zlib@1.3.1',
  },
  {
    name: 'libzstd',
    version: '1.5.7',
    suite: 'trixie',
    archive: 'libzstd_1.5.7+dfsg.orig.tar.xz',
    sha256: '0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5',
    homepage: 'https://facebook.github.io/zstd/',
    repacked: 'without generated documents',
    license: 'BSD-3-Clause',
    licenseFile: 'LICENSE',
    cpe: 'cpe:2.3:a:facebook:zstandard:1.5.7:*:*:*:*:*:*:*',
    purl: 'pkg:generic/zstd@1.5.7',
  },
]

const cache = path.join(work, 'sources')

/** Throws if `bytes` are not those that are pinned. */
export function checkSource({ archive, sha256 }, bytes) {
  const got = hashOf(bytes)
  if (got !== sha256) throw new Error(`${archive} has the SHA-256 ${got}, not ${sha256}: it is not what was reviewed`)
}

/**
 * Returns the unpacked tree of a source, fetching its archive if it is not in build/package/sources. A file that was put
 * there by hand serves as well.
 */
export function sourceTree(source) {
  mkdirSync(cache, { recursive: true })
  const archive = path.join(cache, source.archive)
  if (!existsSync(archive)) {
    say('sources', `fetching ${source.archive} (Debian ${source.suite})`)
    fetchSource(source.suite, source.name, cache)
  }
  checkSource(source, readFileSync(archive))
  const tree = path.join(cache, `${source.name}-${source.sha256.slice(0, 12)}`)
  if (!existsSync(tree)) {
    const part = `${tree}.part`
    rmSync(part, { recursive: true, force: true })
    mkdirSync(part)
    run('sources', 'tar', ['-xf', archive, '-C', part, '--strip-components=1'])
    renameSync(part, tree)
  }
  return tree
}
