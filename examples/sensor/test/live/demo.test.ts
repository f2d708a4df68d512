// The demonstration, as `npm run demo` runs it without a terminal: as this user, and as root of a user namespace.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'

for (const [name, wrapper] of [
  ['as this user', []],
  ['in a user namespace', ['unshare', '-r']],
] as const) {
  t.test(name, async (t) => {
    const script = fileURLToPath(new URL('../../src/demo.js', import.meta.url))
    const [command, ...args] = [...wrapper, process.execPath, script] as [string, ...string[]]
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    const page = new Promise<string>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        const address = /the collector's page: (\S+)/.exec(stdout)?.[1]
        if (address) resolve(address)
      })
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const ended = once(child, 'close')
    let over = false
    ended.then(() => {
      over = true
    })
    const address = await Promise.race([page, ended.then(() => undefined)])
    // From outside the namespace. The collector is away for a while.
    let status: number | undefined
    while (address && status !== 200 && !over) {
      status = await fetch(new URL('/healthz', address)).then(
        (response) => response.status,
        () => undefined,
      )
      await sleep(20)
    }
    t.equal(status, 200)
    const [code] = await ended
    t.equal(code, 0, stdout)
    t.equal(stderr, '')
    const [, sent, stored, lost] =
      /^sent (\d+) = stored (\d+) \+ lost (\d+) \(.+\)$/.exec(stdout.trimEnd().split('\n').at(-1)!) ?? []
    t.equal(Number(sent), Number(stored) + Number(lost))
    t.ok(Number(stored) > 10_000)
  })
}
