// What the package says of the work of others that it contains: THIRD-PARTY-NOTICES and a CycloneDX SBOM.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../tree-files.mjs'
import { hashOf } from './run.mjs'
import { sources, sourceTree } from './sources.mjs'
import { targets } from './targets.mjs'
import { compiler } from './toolchain.mjs'

const readLicense = (file) => readFileSync(file, 'utf8').trim()

/** Everything inside a prebuilt addon that is not ringtap's own, with its licence. */
function contents({ home }) {
  const addonApi = path.join(root, 'node_modules', 'node-addon-api')
  const { version } = JSON.parse(readFileSync(path.join(addonApi, 'package.json'), 'utf8'))
  return [
    ...sources.map((source) => ({
      name: source.name === 'libzstd' ? 'zstd' : source.name,
      version: source.version,
      license: source.license,
      homepage: source.homepage,
      text: readLicense(path.join(sourceTree(source), source.licenseFile)),
      source,
    })),
    {
      name: 'node-addon-api',
      version,
      license: 'MIT',
      homepage: 'https://github.com/nodejs/node-addon-api',
      text: readLicense(path.join(addonApi, 'LICENSE.md')),
      purl: `pkg:npm/node-addon-api@${version}`,
    },
    {
      name: 'LLVM runtime libraries (libc++, libc++abi, libunwind)',
      version: '16.0.1',
      license: 'Apache-2.0 WITH LLVM-exception',
      homepage: 'https://libcxx.llvm.org/',
      text: readLicense(path.join(home, 'lib', 'libcxx', 'LICENSE.TXT')),
      purl: 'pkg:generic/llvm-runtimes@16.0.1',
    },
    {
      name: 'Zig compiler runtime (compiler_rt)',
      version: compiler.version,
      license: 'MIT',
      homepage: 'https://ziglang.org/',
      text: readLicense(path.join(home, 'LICENSE')),
      purl: `pkg:npm/${compiler.name.replace('@', '%40')}@${compiler.version}`,
    },
  ]
}

/** The text of THIRD-PARTY-NOTICES. */
export function notices(toolchain) {
  const parts = contents(toolchain).map(
    ({ name, version, license, homepage, text }) =>
      `${'='.repeat(80)}\n${name} ${version}\n${license}\n${homepage}\n${'='.repeat(80)}\n\n${text}\n`,
  )
  return `The prebuilt addons of ringtap (prebuilds/) contain the following works, statically linked. The JavaScript contains no
work of others. Made by \`npm run release\`.

${parts.join('\n')}`
}

/** The text of sbom.cdx.json, CycloneDX 1.6; `addons`: the path of each addon by the id of its target. */
export function sbom(manifest, addons, toolchain) {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
  const own = `pkg:npm/${manifest.name}@${manifest.version}`
  const inside = contents(toolchain).map(({ name, version, license, homepage, source, purl }) => ({
    type: 'library',
    'bom-ref': source?.purl ?? purl,
    name,
    version,
    scope: 'required',
    licenses: [license.includes(' ') ? { expression: license } : { license: { id: license } }],
    ...(source && { cpe: source.cpe }),
    purl: source?.purl ?? purl,
    externalReferences: [
      { type: 'website', url: homepage },
      ...(source
        ? [
            {
              type: 'source-distribution',
              url: source.same ?? source.homepage,
              comment: `${source.archive} of Debian ${source.suite}${source.repacked ? `: the upstream sources ${source.repacked}` : ', the same bytes as upstream'}`,
              hashes: [{ alg: 'SHA-256', content: source.sha256 }],
            },
          ]
        : []),
    ],
  }))
  const files = targets
    .filter(({ id }) => addons[id])
    .map(({ id, file }) => ({
      type: 'file',
      'bom-ref': file,
      name: file,
      hashes: [{ alg: 'SHA-256', content: hashOf(readFileSync(addons[id])) }],
    }))
  const installed = Object.keys(manifest.dependencies).map((name) => {
    const { version, integrity, license } = lock[`node_modules/${name}`]
    return {
      type: 'library',
      'bom-ref': `pkg:npm/${name}@${version}#installed`,
      name,
      version,
      scope: 'required',
      licenses: [{ license: { id: license } }],
      purl: `pkg:npm/${name}@${version}`,
      hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') }],
    }
  })
  const refs = (list) => list.map((one) => one['bom-ref'])
  return `${JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        component: {
          type: 'library',
          'bom-ref': own,
          name: manifest.name,
          version: manifest.version,
          description: manifest.description,
          licenses: [{ license: { id: manifest.license } }],
          purl: own,
        },
      },
      components: [...files, ...inside, ...installed],
      dependencies: [
        { ref: own, dependsOn: [...refs(files), ...refs(installed)] },
        ...refs(files).map((ref) => ({ ref, dependsOn: refs(inside) })),
      ],
    },
    undefined,
    2,
  )}\n`
}
