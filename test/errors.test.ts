import { inspect } from 'node:util'
import {
  Capture,
  CaptureError,
  compileFilter,
  convertFiles,
  explainSelection,
  listInterfaces,
  openFile,
  SavefileWriter,
} from 'ringtap'
import t from 'tap'

const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

t.test('a message contains no control characters, whatever names it quotes', async (t) => {
  const error = new CaptureError('ERR_SYSTEM', 'a\x1b[31mb\x07c\x7fd\u009be\rf\0g\u202eh\u2028i\nj é€', {
    interface: '\x1b',
  })
  t.equal(error.message, 'a\\x1b[31mb\\x07c\\x7fd\\x9be\\x0df\\x00g\\u202eh\\u2028i\nj é€')
  t.equal(error.interface, '\x1b', 'for programs the name is as it is')
  t.notMatch(String(error.stack).replaceAll('\n', ''), unprintable)

  const hostileName = '\x1b]0;title\x07\u009b31m'
  const failing: Record<string, () => unknown> = {
    'name of a file': () => openFile(`/nowhere/${hostileName}`),
    'name of a namespace': () => listInterfaces({ netns: `/nowhere/${hostileName}` }),
    'name of an option': () => Capture.open({ [hostileName]: 1 } as object),
    'value of an option': () => Capture.open({ direction: hostileName } as object),
    'name of a class': () => Capture.open({ filter: { constructor: { name: hostileName } } } as object),
    pattern: () => Capture.open({ interfaces: { include: `(${hostileName}` } }),
    filter: () => compileFilter(`port ${hostileName}`),
  }
  for (const [what, act] of Object.entries(failing)) {
    const failure = await new Promise((resolve) => resolve(act())).then(
      () => undefined,
      (failure: unknown) => failure,
    )
    t.type(failure, CaptureError, what)
    const { message } = failure as CaptureError
    t.notMatch(message, unprintable, `${what}: ${inspect(message)}`)
  }
})

t.test('an argument whose properties throw is refused like any other', async (t) => {
  const fail = (): never => {
    throw new Error('not to be seen')
  }
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile: Record<string, unknown> = {
    'a getter': {
      get constructor() {
        return fail()
      },
    },
    'a proxy': new Proxy({}, { get: fail, getPrototypeOf: fail, has: fail, ownKeys: fail }),
    'a revoked proxy': revoked,
    'a symbol for a name': { constructor: { name: Symbol('name') } },
  }
  for (const [what, filter] of Object.entries(hostile)) {
    await t.rejects(
      Capture.open({ filter } as object),
      { code: 'ERR_OPTION', message: /^filter must be a pcap-filter expression; got an object/ },
      what,
    )
  }
})

t.test('lists with holes, endless lists and lists with a false length are refused', async (t) => {
  const endless: unknown[] = []
  endless.length = 2 ** 32 - 1
  const lists = {
    'a hole': new Array(1),
    'no end': endless,
    'a negative length': new Proxy([1], { get: (target, key) => (key === 'length' ? -5 : Reflect.get(target, key)) }),
    'a great length': new Proxy([1], { get: (target, key) => (key === 'length' ? 1e9 : Reflect.get(target, key)) }),
    'no length': new Proxy([1], { get: (target, key) => (key === 'length' ? Number.NaN : Reflect.get(target, key)) }),
  }
  const [lo] = listInterfaces()
  for (const [what, list] of Object.entries(lists) as [string, never][]) {
    const refused = (option: string) => ({ code: 'ERR_OPTION', option: new RegExp(`^${option}(\\[0\\])?$`) })
    await t.rejects(convertFiles(list, '/nowhere/x.pcapng'), refused('inputs'), what)
    await t.rejects(convertFiles('/nowhere/a', '/nowhere/x.pcapng', { keep: list }), refused('keep'), what)
    await t.rejects(openFile('/nowhere/a', { keep: { blocks: list } }), refused('keep\\.blocks'), what)
    await t.rejects(Capture.open({ interfaces: list }), refused('interfaces'), what)
    await t.rejects(Capture.open({ interfaces: { include: list } }), refused('interfaces\\.include'), what)
    t.throws(() => explainSelection(lo as never, { exclude: list }), refused('selection\\.exclude'), what)
  }
})

t.test('a value that is not a number or a stream is refused as such', async (t) => {
  for (const size of [1n, Symbol('size'), {}, Object.create(null), [], '1048576']) {
    const refused = { code: 'ERR_OPTION', option: 'chunk.size' }
    await t.rejects(openFile('/nowhere/a', { chunk: { size: size as never } }), refused)
  }
  for (const stream of [Buffer.from('x'), { write() {} }, new Proxy({}, {}), 1n]) {
    t.throws(() => new SavefileWriter(stream as never), { code: 'ERR_OPTION', option: 'stream' })
  }
})
