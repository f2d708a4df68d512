import { Capture, type CaptureError, convertFiles, inject, openFile, replay, watchInterfaces } from 'ringtap'
import t from 'tap'

/** The functions that take a signal and need no capture or connection before, each called with an additional option that it rejects. */
const functions: Record<string, (signal: AbortSignal, wrong?: object) => Promise<unknown>> = {
  'Capture.open': (signal, wrong) => Capture.open({ signal, ...wrong }),
  openFile: (signal, wrong) => openFile('/nowhere/a.pcapng', { signal, ...wrong }),
  convertFiles: (signal, wrong) => convertFiles('/nowhere/a.pcapng', '/nowhere/b.pcapng', { signal, ...wrong }),
  replay: (signal, wrong) => replay('/nowhere/a.pcapng', { interface: 'nowhere', signal, ...wrong }),
  inject: (signal, wrong) => inject('nowhere', new Uint8Array(60), { signal, ...wrong }),
  watchInterfaces: async (signal, wrong) => watchInterfaces({ signal, ...wrong }),
}

const failing = async (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'it did not fail',
    (error) => error,
  )

for (const [name, call] of Object.entries(functions)) {
  t.test(`${name}: a value that is not an AbortSignal is refused`, async (t) => {
    const listens = { addEventListener() {} }
    for (const wrong of [null, 'x', 7, true, {}, [], { aborted: true }, { aborted: false, ...listens }, () => {}]) {
      const error = (await failing(call(wrong as unknown as AbortSignal))) as CaptureError
      t.equal(error.code, 'ERR_OPTION')
      t.equal(error.option, 'signal')
      t.match(error.message, /signal must be an AbortSignal; got /)
    }
  })

  t.test(`${name}: a signal that is already aborted rejects with its reason`, async (t) => {
    const reason = { any: 'value' }
    t.equal(await failing(call(AbortSignal.abort(reason))), reason, 'the reason, as it is')
    const usual = (await failing(call(AbortSignal.abort()))) as DOMException
    t.equal(usual.name, 'AbortError')

    const listeners: unknown[] = []
    const polyfill = {
      aborted: true,
      addEventListener: (_: string, listener: unknown) => listeners.push(listener),
      removeEventListener: () => {},
    }
    const error = (await failing(call(polyfill as unknown as AbortSignal))) as DOMException
    t.equal(error.name, 'AbortError', 'a signal of a polyfill, without a reason')
    t.same(listeners, [])
  })

  t.test(`${name}: a wrong option is reported before an abort`, async (t) => {
    const error = (await failing(call(AbortSignal.abort(), { netns: 7, filter: 7, maxWait: -1 }))) as CaptureError
    t.equal(error.code, 'ERR_OPTION')
  })
}
