// To be imported first: runs the test file again inside a network namespace of its own, and ends this process with the
// outcome. Inside, it does nothing. Root is not needed: a user namespace gives what the tests want.
import { spawnSync } from 'node:child_process'

if (process.env.RINGTAP_NS !== '1') {
  const file = process.argv[1] ?? ''
  const flags = process.getuid?.() === 0 ? ['-n'] : ['-rn']
  const possible = spawnSync('unshare', [...flags, 'ip', 'link', 'show', 'lo'], { stdio: 'ignore' }).status === 0
  if (!possible) {
    console.log(`1..0 # SKIP no network namespace to be had: "unshare ${flags.join(' ')} ip link show lo" fails`)
    process.exit(0)
  }
  const inside = spawnSync('unshare', [...flags, process.execPath, ...process.execArgv, file, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, RINGTAP_NS: '1' },
  })
  process.exit(inside.status ?? 1)
}
