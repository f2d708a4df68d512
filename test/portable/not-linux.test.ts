// What the library does where the system is not Linux. A child process believes that it runs on another system; in the
// build of the portable half (scripts/portable.mjs), which has nothing else, it is as on Linux.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const portableBuild = process.env.RINGTAP_PORTABLE === '1'
const entry = fileURLToPath(import.meta.resolve('ringtap')).replace(/index\.mjs$/, 'index.js')
const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-not-linux-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** Runs the body of an asynchronous function in a child on a system of that name; returns its result. */
function on(platform: string, body: string): Record<string, string> {
  const program = `
    Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} })
    const ringtap = require(${JSON.stringify(entry)})
    const folder = ${JSON.stringify(folder)}
    const run = async () => { ${body} }
    run().then((result) => process.stdout.write(JSON.stringify(result)))`
  return JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' })) as Record<string, string>
}

const attempts = `
  const errors = {}
  const calls = {
    open: () => ringtap.Capture.open(),
    pcap: () => ringtap.Capture.open({ backend: 'pcap' }),
    list: () => ringtap.listInterfaces(),
    watch: () => ringtap.watchInterfaces(),
    inject: () => ringtap.Injector.open('lo'),
    replay: () => ringtap.replay(folder + '/none.pcap', { interface: 'lo' }),
  }
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call()
      errors[name] = 'no error'
    } catch (error) {
      errors[name] = error instanceof ringtap.CaptureError ? error.code + ' ' + error.message : String(error)
    }
  }
  return errors`

t.test('what needs Linux throws, or rejects with, one code, and says what works', async (t) => {
  for (const platform of portableBuild ? ['linux', 'darwin'] : ['darwin', 'win32']) {
    const errors = on(platform, attempts)
    t.strictSame(Object.keys(errors), ['open', 'pcap', 'list', 'watch', 'inject', 'replay'])
    const reason = platform === 'linux' ? 'which this build of the addon leaves out' : `which ${platform} is not`
    for (const [name, error] of Object.entries(errors)) {
      t.match(error, /^ERR_NOT_SUPPORTED /, `${platform}: ${name}`)
      t.ok(error.includes(`need Linux, ${reason}; what works here: `), `${platform}: ${name} gives the reason`)
      t.match(error, /\bopenFile, .*\bcompileFilter, .*\bDissector\b/, `${platform}: ${name} says what works`)
    }
  }
})

t.test('checkCapture() reports it as the one problem', async (t) => {
  const { ok, codes } = on(
    'darwin',
    'const { ok, problems } = ringtap.checkCapture(); return { ok: String(ok), codes: problems.map(({ code }) => code).join() }',
  )
  t.equal(ok, 'false')
  t.equal(codes, 'ERR_NOT_SUPPORTED')
})

t.test('a file is written, read and filtered, patterns and the dissector work', async (t) => {
  const result = on(
    'darwin',
    `
    const file = folder + '/packets.pcapng'
    const data = ringtap.frame({
      ethernet: { source: '02:00:00:00:00:01', destination: '02:00:00:00:00:02' },
      ipv4: { source: '10.0.0.1', destination: '10.0.0.2' },
      udp: { sourcePort: 1025, destinationPort: 53 },
    })
    const writer = await ringtap.SavefileWriter.open(file)
    for (let i = 0; i < 3; i++) await writer.write(ringtap.Packet.from(data))
    await writer.close()
    let packets = 0
    let ports = ''
    const dissector = new ringtap.Dissector()
    for await (const chunk of await ringtap.openFile(file, { filter: 'udp port 53' }))
      for (const packet of chunk) {
        packets++
        dissector.dissect(packet)
        ports += dissector.destinationPort + ' '
      }
    const filter = await ringtap.compileFilter('tcp')
    return { packets: String(packets), ports, tcp: String(filter.matches(data)) }`,
  )
  t.strictSame(result, { packets: '3', ports: '53 53 53 ', tcp: 'false' })
})
