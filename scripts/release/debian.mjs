// Packages of any Debian release and architecture, fetched with apt-get from the mirror that this system uses, without
// changing the system's own configuration.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { outputOf, run, work } from './run.mjs'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The mirror in this system's own configuration. */
export function debianMirror() {
  const files = ['/etc/apt/sources.list']
  if (existsSync('/etc/apt/sources.list.d'))
    files.push(...readdirSync('/etc/apt/sources.list.d').map((name) => `/etc/apt/sources.list.d/${name}`))
  for (const file of files.filter((name) => existsSync(name))) {
    const found = /^(?:URIs:|deb(?:-src)?(?: \[[^\]]*\])?) *(https?:\/\/\S+\/debian)\/?(?=\s|$)/m.exec(
      readFileSync(file, 'utf8'),
    )
    if (found) return found[1]
  }
  throw new Error('this system has no Debian mirror in its configuration of apt')
}

/** The arguments of apt-get for a release, after an update of its lists. `types`: `deb-src` or `deb`. */
function aptFor(types, suite, architecture) {
  const apt = path.join(work, 'apt', `${suite}-${architecture ?? 'source'}`)
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(path.join(apt, folder), { recursive: true })
  const list = path.join(apt, 'release.sources')
  writeFileSync(
    list,
    `Types: ${types}\nURIs: ${debianMirror()}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  )
  writeFileSync(path.join(apt, 'status'), '')
  const options = [
    `Dir::Etc::sourcelist=${list}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${path.join(apt, 'lists')}`,
    `Dir::State::status=${path.join(apt, 'status')}`,
    `Dir::Cache=${path.join(apt, 'cache')}`,
    'APT::Sandbox::User=root',
    ...(architecture ? [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`] : []),
  ].flatMap((option) => ['-o', option])
  run('apt', 'apt-get', [...options, 'update'])
  return options
}

/** Fetches the archive of a source package into a folder. */
export function fetchSource(suite, name, folder) {
  const options = aptFor('deb-src', suite)
  run('apt', 'apt-get', [...options, 'source', '--download-only', '--tar-only', name], { cwd: folder })
}

/** Unpacks packages into a folder, without running anything of them. A name may be a function of `depends`. */
export function unpackPackages(suite, architecture, names, folder) {
  const options = aptFor('deb', suite, architecture)
  const cache = path.join(work, 'apt', `${suite}-${architecture}`, 'packages')
  mkdirSync(cache, { recursive: true })
  /** What a package, such as one that stands for the newest kernel, depends on. */
  const depends = (name) =>
    [...outputOf('apt-cache', [...options, 'depends', name]).matchAll(/^ *Depends: (\S+)/gm)].map(([, found]) => found)
  for (const name of names.flatMap((one) => (typeof one === 'function' ? one(depends) : one))) {
    const before = new Set(readdirSync(cache))
    const known = [...before].find((file) => file.startsWith(`${name}_`))
    if (!known) run('apt', 'apt-get', [...options, 'download', name], { cwd: cache })
    const file = known ?? readdirSync(cache).find((one) => !before.has(one))
    mkdirSync(folder, { recursive: true })
    run('apt', 'dpkg-deb', ['-x', path.join(cache, file), folder])
  }
}
