/**
 * tap's `t`, for a test that runs in a network namespace of its own. Import it in place of tap. The script starts itself again
 * inside `unshare`: as root with namespaces for network and mounts, as another user in a user namespace where it is root.
 * All of it is gone when the test ends. IPv6 is off inside, so that the kernel sends nothing of its own.
 *
 * Where no namespace can be made, the test fails; it is never skipped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'

const variable = 'RINGTAP_SENSOR_TEST_OUTSIDE'
const own = readlinkSync('/proc/self/ns/net')
const outside = process.env[variable]

if (outside === undefined || outside === own) {
  const way = process.getuid?.() === 0 ? '-nm' : '-rnm'
  // The test must end if this process is killed.
  const child = spawn(
    'unshare',
    [way, 'setpriv', '--pdeathsig', 'KILL', process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: process.send ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
      env: { ...process.env, [variable]: own },
    },
  )
  child.on('message', (message) => process.send?.(message))
  process.on('message', (message) => child.connected && child.send(message as object))
  process.channel?.unref()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGALRM'] as const) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.log(`TAP version 14\n1..1\nnot ok 1 - no namespace can be made: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  await new Promise<never>(() => {})
}

for (const scope of ['all', 'default']) {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/disable_ipv6`, '1')
  } catch {
    // There is no IPv6.
  }
}
spawnSync('ip', ['link', 'set', 'lo', 'up'])

const { default: t } = await import('tap')
export default t
