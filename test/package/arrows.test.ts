import t from 'tap'

const { findFaults, findListFaults } = (await import(
  new URL('../../../../scripts/check-arrows.mjs', import.meta.url).href
)) as {
  findFaults(sources: Map<string, string>): string[]
  findListFaults(files: string[], portable: string[], linux: string[]): string[]
}

const faults = (sources: Record<string, string>) => findFaults(new Map(Object.entries(sources)))

t.test('includes that go down, or stay within a folder, are accepted', async (t) => {
  t.strictSame(
    faults({
      'native/core/util/result.h': '#include <string>\n',
      'native/core/block/block.h': '#include "core/util/result.h"\n',
      'native/core/block/block.cpp': '#include "core/block/block.h"\n#include "core/util/result.h"\n',
      'test/native/block/block_test.cpp': '#include "core/block/block.h"\n#include "support/check.h"\n',
      'lib/errors.ts': '',
      'lib/capture/capture.ts': "import { CaptureError } from '../errors.js'\n",
      'lib/index.ts': "export { Capture } from './capture/capture.js'\n",
    }),
    [],
  )
})

t.test('an include that goes up is found', async (t) => {
  t.strictSame(
    faults({
      'native/core/util/result.h': '#include "core/capture/ring/ring.h"\n',
      'native/core/capture/ring/ring.h': '',
    }),
    [
      'native/core/util/result.h uses native/core/capture/ring/ring.h: native/core/util is below native/core/capture/ring',
    ],
  )
})

t.test('an import that goes up is found, in each of its forms', async (t) => {
  for (const text of [
    "import { Capture } from '../capture/capture.js'",
    "export { Capture } from '../capture/capture.js'",
    "import '../capture/capture.js'",
    "const { Capture } = await import('../capture/capture.js')",
    "import type { Capture } from '../capture/capture.js'",
    "import {\n  Capture,\n  CaptureEvents,\n} from '../capture/capture.js'",
  ]) {
    t.strictSame(
      faults({ 'lib/packets/packet.ts': `${text}\n`, 'lib/capture/capture.ts': '' }),
      ['lib/packets/packet.ts uses lib/capture/capture.ts: lib/packets is below lib/capture'],
      text,
    )
  }
})

t.test('the core may not use the binding, nor the library the tests', async (t) => {
  t.equal(faults({ 'native/core/send/a.cpp': '#include "binding/a.h"\n', 'native/binding/a.h': '' }).length, 1)
  t.equal(faults({ 'lib/a.ts': "import '../test/helpers/hex.js'\n", 'test/helpers/hex.ts': '' }).length, 1)
})

t.test('neighbouring folders that must not use each other are found', async (t) => {
  const [ring, pcap] = ['native/core/capture/ring/a.h', 'native/core/capture/pcap/a.h']
  t.match(faults({ [pcap]: '#include "core/capture/ring/a.h"\n', [ring]: '' }), [/a\.h uses .*ring\/a\.h: /])
  t.equal(faults({ [ring]: '#include "core/capture/pcap/a.h"\n', [pcap]: '' }).length, 1)
})

t.test('what needs no Linux may not use what does, in the core and in the binding', async (t) => {
  const [portable, linux] = ['native/binding/savefile/a.cpp', 'native/core/links/a.h']
  t.strictSame(faults({ [portable]: '#include "core/links/a.h"\n', [linux]: '' }), [
    `${portable} uses ${linux}, which is Linux alone`,
  ])
  t.strictSame(faults({ 'native/binding/links/a.cpp': '#include "core/links/a.h"\n', [linux]: '' }), [])
})

t.test('a source is in the list of its half and in no other', async (t) => {
  const [portable, linux] = ['native/core/savefile/a.cpp', 'native/core/send/a.cpp']
  const files = [portable, linux, 'native/core/savefile/a.h', 'test/native/util/a_test.cpp']
  t.strictSame(findListFaults(files, [portable], [linux]), [])
  t.strictSame(findListFaults(files, [], [linux]), [`${portable} is not in native/sources.txt`])
  t.strictSame(findListFaults(files, [portable, linux], [linux]), [`${linux} does not belong into native/sources.txt`])
})

t.test('a cycle is found, also within a folder', async (t) => {
  t.strictSame(
    faults({
      'lib/packets/a.ts': "import './b.js'\n",
      'lib/packets/b.ts': "import './c.js'\n",
      'lib/packets/c.ts': "import './a.js'\n",
      'lib/packets/d.ts': "import './a.js'\n",
    }),
    ['a cycle: lib/packets/a.ts → lib/packets/b.ts → lib/packets/c.ts → lib/packets/a.ts'],
  )
  t.strictSame(
    faults({
      'native/core/util/a.h': '#include "core/util/b.h"\n',
      'native/core/util/b.h': '#include "core/util/a.h"\n',
    }),
    ['a cycle: native/core/util/a.h → native/core/util/b.h → native/core/util/a.h'],
  )
})

t.test('a file in a folder that is in no list is a fault', async (t) => {
  t.equal(faults({ 'native/new/a.cpp': '#include "core/util/a.h"\n', 'native/core/util/a.h': '' }).length, 1)
})

t.test('the command uses the library through its public API', async (t) => {
  const uses = (name: string) => faults({ 'lib/cli/a.ts': `import '../${name}.js'\n`, [`lib/${name}.ts`]: '' })
  t.strictSame(uses('index'), [])
  t.strictSame(uses('errors'), [])
  t.strictSame(uses('processors'), [])
  t.match(uses('packets/packet'), [
    /a\.ts uses lib\/packets\/packet\.ts: lib\/cli may use lib\/index\.ts and lib\/errors\.ts and lib\/processors\.ts alone/,
  ])
})
