// The addons in the package: the lowest systems that each must run on, and what it may need and export there.

/** The lowest glibc that the addons for glibc run on: Debian 10, RHEL 8, Ubuntu 20.04. */
export const glibcFloor = '2.28'

/** The functions that Node calls; nothing else is exported. */
export const addonExports = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']

const glibcLibraries = ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2', 'librt.so.1']

/**
 * name: the folder in `prebuilds`. triple: what the compiler is told. needed: the shared libraries that it may need.
 * loader: the dynamic loader of glibc, which counts as one of its libraries.
 */
export const targets = [
  {
    name: 'linux-x64',
    libc: 'glibc',
    machine: 'x86_64',
    triple: `x86_64-linux-gnu.${glibcFloor}`,
    needed: [...glibcLibraries, 'ld-linux-x86-64.so.2'],
  },
  { name: 'linux-x64', libc: 'musl', machine: 'x86_64', triple: 'x86_64-linux-musl', needed: ['libc.so'] },
  {
    name: 'linux-arm64',
    libc: 'glibc',
    machine: 'aarch64',
    triple: `aarch64-linux-gnu.${glibcFloor}`,
    needed: [...glibcLibraries, 'ld-linux-aarch64.so.1'],
  },
  { name: 'linux-arm64', libc: 'musl', machine: 'aarch64', triple: 'aarch64-linux-musl', needed: ['libc.so'] },
].map((target) => ({
  ...target,
  id: `${target.name}-${target.libc}`,
  file: `prebuilds/${target.name}/ringtap.${target.libc}.node`,
}))
