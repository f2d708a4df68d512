import { readdirSync } from 'node:fs'
import { TestFolder } from '../../helpers/test-folder.js'
import { describe, numbersIn } from '../../helpers/wireshark.js'
import { isIncomplete, recordUntilKilled } from '../support/killed-recording.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { patience } from '../support/wait.js'

t.setTimeout(240_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

for (let round = 0; round < 4; round++) {
  t.test(`a file with its own name is complete after a kill, round ${round}`, async (t) => {
    await recordUntilKilled(t, folder.file(`${round}.pcapng`))
    const names = readdirSync(folder.path)
      .filter((name) => name.startsWith(`${round}-`))
      .sort()
    const complete = names.flatMap((name) => {
      const path = folder.file(name)
      t.equal(describe(path).packets, 3000, `${name} is whole`)
      return numbersIn(path)
    })
    const partial = readdirSync(folder.path)
      .filter((name) => name.startsWith(`.${round}-`))
      .filter((name) => isIncomplete(folder.file(name)))
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
