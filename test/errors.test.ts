import { inspect } from 'node:util'
import { Capture, CaptureError, compileFilter, listInterfaces, openFile } from 'ringtap'
import t from 'tap'

const unprintable = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

t.test('a message has no control characters, whatever the names in it', async (t) => {
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

t.test('an argument that throws when it is looked at is refused like any other', async (t) => {
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
