// Processors, from files as the kernel writes them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { command } from './helpers/command.js'
import { TestFolder } from './helpers/test-folder.js'

const { nearProcessors, nodeOf, parseProcessors, processorsText, usableProcessors } = createRequire(import.meta.url)(
  path.join(path.dirname(command), '../processors.js'),
)
const folder = new TestFolder(t)

function tree(name: string, files: Record<string, string>): string {
  const root = folder.file(name)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
    writeFileSync(path.join(root, file), text)
  }
  return root
}

t.test('lists of processors', async (t) => {
  for (const [text, numbers] of [
    ['', []],
    ['0', [0]],
    ['0-3', [0, 1, 2, 3]],
    ['8,0-1,10-11', [0, 1, 8, 10, 11]],
    ['2-4,3', [2, 3, 4]],
    ['3-1', undefined],
    ['0-', undefined],
    ['a', undefined],
    ['1,', undefined],
    ['-1', undefined],
    ['0-99999', undefined],
  ] as const)
    t.same(parseProcessors(text), numbers, text)
  t.equal(processorsText([0, 1, 2, 8, 10, 11]), '0-2,8,10-11')
  t.equal(processorsText([5]), '5')
  t.equal(processorsText([]), '')
})

t.test('those of the nodes of network devices come first', async (t) => {
  const files = {
    'proc/thread-self/status': 'Name:\tnode\nCpus_allowed:\t0f\nCpus_allowed_list:\t0-2,4\n',
    'sys/devices/system/node/node0/cpulist': '0-1\n',
    'sys/devices/system/node/node1/cpulist': '2-5\n',
    'sys/class/net/lo/mtu': '65536\n',
  }
  const near = tree('near', { ...files, 'sys/class/net/eth0/device/numa_node': '1\n' })
  t.same(usableProcessors(near), [0, 1, 2, 4])
  t.equal(nodeOf('eth0', near), 1)
  t.equal(nodeOf('lo', near), undefined)
  t.same(nearProcessors(near), [2, 4, 0, 1])
  const one = tree('one', { ...files, 'sys/class/net/eth0/device/numa_node': '-1\n' })
  t.equal(nodeOf('eth0', one), undefined)
  t.same(nearProcessors(one), [0, 1, 2, 4])
  const first = folder.file('nothing')
  t.equal(usableProcessors(first), undefined)
  t.equal(nearProcessors(first), undefined)
})
