import { spawnSync } from 'node:child_process'
import { TestFolder } from '../../helpers/test-folder.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { patience } from '../support/wait.js'

t.setTimeout(120_000 * patience)
addVeth('eth0', 'far0')
const folder = new TestFolder(t)

t.test('a listener that throws does not end the recording', async (t) => {
  const path = folder.fresh()
  const script = `
    import { Capture } from 'ringtap'
    const thrown = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    const boom = (name) => () => { throw new Error(name) }
    const capture = await Capture.open({ interfaces: 'eth0' })
    for (const name of ['interface', 'close']) capture.on(name, boom(name))
    const recording = await capture.record({ path: ${JSON.stringify(path)} })
    for (const name of ['file', 'end']) recording.on(name, boom(name))
    const stats = await recording.stop()
    const same = (await recording.finished).files === stats.files
    await capture.close()
    await new Promise((resolve) => setImmediate(resolve))
    console.log(JSON.stringify({ files: stats.files, same, thrown }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), { files: 1, same: true, thrown: ['file', 'end', 'close'] })
})
