import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TestFolder } from '../../helpers/test-folder.js'
import { describe, numbersIn } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { send } from '../support/send.js'
import { sleep, within } from '../support/wait.js'

t.setTimeout(240_000)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

for (let round = 0; round < 4; round++) {
  t.test(`a file with its own name is complete after a kill, round ${round}`, async (t) => {
    const child = fork(fileURLToPath(new URL('record-kill-child.js', import.meta.url)), [
      folder.file(`${round}.pcapng`),
    ])
    t.teardown(() => child.kill('SIGKILL'))
    await within(once(child, 'message'), 'the program to record')
    const sending = send({ interface: 'eth0', count: 40_000, size: 300, rate: 40_000, mayDrop: true })
    await within(once(child, 'message'), 'the first packets in a file')
    await sleep(Math.random() * 800) // no condition: at any moment of the traffic, which takes a second
    child.kill('SIGKILL')
    await Promise.all([once(child, 'exit'), sending])
    const names = readdirSync(folder.path)
      .filter((name) => name.startsWith(`${round}-`))
      .sort()
    const complete = names.flatMap((name) => {
      const path = folder.file(name)
      t.equal(describe(path).packets, 3000, `${name} is whole`)
      return numbersIn(path)
    })
    const partial = readdirSync(folder.path).filter((name) => name.startsWith(`.${round}-`))
    t.ok(partial.length <= 1, 'one file at most is not complete')
    const current = partial.flatMap((name) => numbersIn(folder.file(name), { endsMidway: true }))
    const all = [...complete, ...current]
    t.same(
      all,
      all.map((_, i) => i),
      `nothing is missing or there twice: ${complete.length} + ${current.length}`,
    )
    t.ok(all.length > 0)
  })
}
