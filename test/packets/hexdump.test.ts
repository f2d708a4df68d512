import { spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { createRequire } from 'node:module'
import { CaptureError, type HexdumpOptions, hexdump } from 'ringtap'
import { test } from 'tap'

/** The standard output of a program. A missing program is a failure, not a skip. */
function output(program: string, debianPackage: string, args: string[], input: Uint8Array): string {
  const run = spawnSync(program, args, { input, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } })
  if (run.error && 'code' in run.error && run.error.code === 'ENOENT') {
    throw new Error(`${program} is missing, and these tests compare with it: install it (Debian: ${debianPackage})`)
  }
  if (run.error) throw run.error
  if (run.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${run.stderr.toString()}`)
  return run.stdout.toString('latin1')
}

function program(data: Uint8Array, ...args: string[]): string {
  return output('hexdump', 'bsdextrautils', args, data)
}

/** The format string with which hexdump(1) prints the canonical layout with another line width. */
function canonicalFormat(width: number): string[] {
  const groups: string[] = []
  for (let at = 0; at < width; at += 8) {
    const count = Math.min(8, width - at)
    // hexdump drops the trailing space of the last repetition of a repeated format.
    groups.push(count === 1 ? '1/1 "%02x"' : `${count}/1 "%02x "`)
  }
  return ['-e', '"%08.8_Ax\n"', '-e', `"%08.8_ax  " ${groups.join(' "  " ')}`, '-e', `"  |" ${width}/1 "%_p" "|\n"`]
}

/** Bytes with repeated lines at the start, in the middle and at the end. */
function repetitive(length: number): Buffer {
  const data = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const run = 1 + randomInt(100)
    data.fill(randomInt(3), at, Math.min(length, at + run))
    at += run
  }
  return data
}

const allBytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

/** The first difference between two dumps, for comparing large ones without printing them. */
function firstDifference(found: string, wanted: string): string {
  if (found === wanted) return ''
  const a = found.split('\n')
  const b = wanted.split('\n')
  const at = a.findIndex((line, i) => line !== b[i])
  return `line ${at}: ${JSON.stringify(a[at])} instead of ${JSON.stringify(b[at])}`
}

test('canonical is hexdump -C for every length up to 70', async (t) => {
  for (let length = 0; length <= 70; length++) {
    for (const data of [randomBytes(length), Buffer.alloc(length), repetitive(length)]) {
      t.equal(hexdump(data), program(data, '-C'), `${length} bytes`)
      t.equal(hexdump(data, { squeeze: false }), program(data, '-Cv'), `${length} bytes, not squeezed`)
    }
  }
})

test('canonical is hexdump -C for every byte value', async (t) => {
  t.equal(hexdump(allBytes), program(allBytes, '-C'))
  // The same with lines that are not full.
  for (let byte = 0; byte < 256; byte++) {
    const text = byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
    const hex = byte.toString(16).padStart(2, '0')
    t.equal(hexdump(Uint8Array.of(byte)), `00000000  ${hex}${' '.repeat(48)}|${text}|\n00000001\n`)
  }
})

test('canonical is hexdump -C for random sizes and repeating lines', async (t) => {
  for (let round = 0; round < 20; round++) {
    const length = randomInt(100_000)
    for (const data of [randomBytes(length), repetitive(length)]) {
      t.equal(firstDifference(hexdump(data), program(data, '-C')), '', `${length} bytes`)
      t.equal(
        firstDifference(hexdump(data, { squeeze: false }), program(data, '-Cv')),
        '',
        `${length} bytes, not squeezed`,
      )
    }
  }
})

test('a dump of several strings has no seams', async (t) => {
  const data = repetitive(1_000_003)
  t.equal(firstDifference(hexdump(data), program(data, '-C')), '')
  t.equal(firstDifference(hexdump(data, { squeeze: false }), program(data, '-Cv')), '')
})

test('every width is what hexdump prints for the format', async (t) => {
  for (let width = 1; width <= 256; width += width < 40 ? 1 : 27) {
    for (const data of [randomBytes(3 * width + randomInt(width)), repetitive(7 * width)]) {
      const wanted = program(data, ...canonicalFormat(width))
      t.equal(hexdump(data, { width }), wanted, `width ${width}, ${data.length} bytes`)
    }
  }
  const wide = randomBytes(2000)
  t.equal(hexdump(wide, { width: 256 }), program(wide, ...canonicalFormat(256)))
})

test('offset numbers the lines and widens like hexdump', async (t) => {
  t.equal(
    hexdump(new Uint8Array(50), { offset: 0xffffffe6, squeeze: false }),
    'ffffffe6  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n' +
      'fffffff6  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n' +
      '100000006  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n' +
      '100000016  00 00                                             |..|\n' +
      '100000018\n',
  )
  t.equal(
    hexdump(new Uint8Array(64), { offset: 0x13fffffe0 }),
    '13fffffe0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n140000020\n',
  )
  t.equal(
    hexdump(Uint8Array.of(0x41), { offset: Number.MAX_SAFE_INTEGER - 1 }),
    `1ffffffffffffe  41${' '.repeat(48)}|A|\n1fffffffffffff\n`,
  )
  t.equal(
    hexdump(allBytes.subarray(0, 18), { offset: 0xfff8, style: 'tcpdump' }),
    '\t0xfff8:  0001 0203 0405 0607 0809 0a0b 0c0d 0e0f  ................\n' +
      '\t0x10008:  1011                                     ..\n',
  )
  t.match(hexdump(allBytes, { offset: 0x123456789a, style: 'tcpdump' }), /^\t0x123456789a: {2}0001 /)
})

/** The dump lines of `tcpdump -X` for each packet, read from a raw IP savefile. */
function tcpdumpDumps(packets: Uint8Array[]): string[] {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262144, 16)
  header.writeUInt32LE(101, 20) // LINKTYPE_RAW
  const parts: Uint8Array[] = [header]
  for (const packet of packets) {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(packet.length, 8)
    record.writeUInt32LE(packet.length, 12)
    parts.push(record, packet)
  }
  // Standard input rather than a file: run as root, tcpdump may change to a user who cannot read the file.
  const printed = output('tcpdump', 'tcpdump', ['-n', '-t', '-X', '-r', '-'], Buffer.concat(parts))
  const dumps: string[] = []
  for (const line of printed.split('\n')) {
    if (!line.startsWith('\t0x')) continue
    if (line.startsWith('\t0x0000:')) dumps.push('')
    dumps.push(`${dumps.pop() ?? ''}${line}\n`)
  }
  return dumps
}

function udp(payload: Uint8Array): Buffer {
  const packet = Buffer.alloc(28 + payload.length)
  packet[0] = 0x45
  packet.writeUInt16BE(packet.length, 2)
  packet[8] = 64
  packet[9] = 17
  packet.set([192, 0, 2, 1, 192, 0, 2, 2], 12)
  packet.writeUInt16BE(40000, 20)
  packet.writeUInt16BE(40001, 22)
  packet.writeUInt16BE(8 + payload.length, 24)
  packet.set(payload, 28)
  return packet
}

/** Bytes that tcpdump does not dissect: the version is neither 4 nor 6. */
function garbage(length: number): Buffer {
  const packet = randomBytes(length)
  packet[0] = 0xf0
  return packet
}

test('tcpdump style is tcpdump -X', async (t) => {
  const packets: Uint8Array[] = [udp(allBytes), udp(new Uint8Array(100))]
  for (let length = 1; length <= 70; length++) packets.push(garbage(length), udp(randomBytes(length)))
  for (let round = 0; round < 20; round++) packets.push(garbage(1 + randomInt(70_000)))
  const wanted = tcpdumpDumps(packets)
  t.equal(wanted.length, packets.length)
  for (const [i, packet] of packets.entries()) {
    t.equal(firstDifference(hexdump(packet, { style: 'tcpdump' }), wanted[i] ?? ''), '', `${packet.length} bytes`)
  }
})

test('tcpdump style with other widths', async (t) => {
  const data = Buffer.from('abc efg')
  const dump = (width: number) => hexdump(data, { style: 'tcpdump', width })
  t.equal(dump(4), '\t0x0000:  6162 6320  abc.\n\t0x0004:  6566 67    efg\n')
  t.equal(dump(3), '\t0x0000:  6162 63  abc\n\t0x0003:  2065 66  .ef\n\t0x0006:  67       g\n')
  t.equal(dump(1).split('\n')[3], '\t0x0003:  20  .')
  t.equal(dump(8), '\t0x0000:  6162 6320 6566 67    abc.efg\n')
  t.equal(hexdump(new Uint8Array(0), { style: 'tcpdump' }), '')
  t.equal(hexdump(new Uint8Array(64), { style: 'tcpdump', squeeze: false }).split('\n').length, 5)
})

test('length limits what is shown', async (t) => {
  for (const length of [0, 1, 15, 16, 17, 100, 256, 1000]) {
    t.equal(hexdump(allBytes, { length }), hexdump(allBytes.subarray(0, length)))
    t.equal(
      hexdump(allBytes, { length, style: 'tcpdump' }),
      hexdump(allBytes.subarray(0, length), { style: 'tcpdump' }),
    )
  }
})

test('indent puts spaces ahead of every line', async (t) => {
  const data = Buffer.concat([allBytes, Buffer.alloc(70)])
  for (const options of [{}, { style: 'tcpdump' }, { color: true }, { width: 5 }] satisfies HexdumpOptions[]) {
    for (const indent of [0, 1, 2, 3, 4, 5, 255, 256]) {
      t.equal(hexdump(data, { ...options, indent }), hexdump(data, options).replace(/^(?=.)/gm, ' '.repeat(indent)))
    }
  }
})

test('colours leave the text as it is and end with the line', async (t) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes begin with one
  const codes = /\x1b\[(?:0|33|35|36|90)m/g
  for (const style of ['canonical', 'tcpdump'] as const) {
    for (const width of [1, 7, 16, 256]) {
      for (const data of [allBytes, randomBytes(randomInt(5000)), Buffer.alloc(100), randomBytes(300_000)]) {
        const dump = hexdump(data, { style, width, color: true })
        t.equal(firstDifference(dump.replace(codes, ''), hexdump(data, { style, width })), '')
        for (const line of dump.split('\n')) {
          const last = line.match(codes)?.at(-1)
          if (last !== undefined && last !== '\x1b[0m') t.fail(`colours are left on: ${JSON.stringify(line)}`)
        }
      }
    }
  }
  t.equal(
    hexdump(Uint8Array.of(0x00, 0x41, 0x42, 0x0a, 0xff), { color: true, width: 5 }),
    '00000000  \x1b[90m00 \x1b[36m41 42 \x1b[33m0a \x1b[35mff \x1b[0m |\x1b[90m.\x1b[36mAB\x1b[33m.\x1b[35m.\x1b[0m|\n00000005\n',
  )
})

test('takes every kind of view and buffer, and only the bytes of the view', async (t) => {
  const wanted = hexdump(allBytes.subarray(32, 96))
  const { buffer } = new Uint8Array(allBytes)
  t.equal(hexdump(new Uint8Array(buffer, 32, 64)), wanted)
  t.equal(hexdump(Buffer.from(buffer, 32, 64)), wanted)
  t.equal(hexdump(new DataView(buffer, 32, 64)), wanted)
  t.equal(hexdump(new Uint16Array(buffer, 32, 32)), wanted)
  t.equal(hexdump(new Float64Array(buffer, 32, 8)), wanted)
  t.equal(hexdump(new Uint8ClampedArray(buffer, 32, 64)), wanted)
  t.equal(hexdump(buffer.slice(32, 96)), wanted)
  const shared = new SharedArrayBuffer(64)
  new Uint8Array(shared).set(allBytes.subarray(32, 96))
  t.equal(hexdump(shared), wanted)
  t.equal(hexdump(new DataView(shared)), wanted)
  t.equal(hexdump(new Uint8Array(shared)), wanted)
})

test('no bytes, no dump', async (t) => {
  t.equal(hexdump(new Uint8Array(0)), '')
  t.equal(hexdump(new ArrayBuffer(0), { color: true, indent: 3 }), '')
  const views = [(b: ArrayBuffer) => b, (b: ArrayBuffer) => new Uint8Array(b), (b: ArrayBuffer) => new DataView(b)]
  for (const view of [...views, (b: ArrayBuffer) => new Uint16Array(b), (b: ArrayBuffer) => Buffer.from(b)]) {
    const buffer = new ArrayBuffer(64)
    const data = view(buffer)
    t.not(hexdump(data), '')
    structuredClone(buffer, { transfer: [buffer] })
    t.equal(hexdump(data), '', 'detached')
  }
  // Dumps before and after one of a detached buffer are complete: no state is left over between calls.
  t.equal(hexdump(allBytes), program(allBytes, '-C'))
})

test('refuses what it does not understand', async (t) => {
  const refuses = (call: () => unknown, message: RegExp) => {
    t.throws(call, { code: 'ERR_OPTION', message })
    t.throws(call, CaptureError)
  }
  for (const data of [undefined, null, 'text', 5, [1, 2], {}, Object.create(Uint8Array.prototype)]) {
    refuses(() => hexdump(data as never), /^data must be a Uint8Array, .*; got /)
  }
  for (const options of [null, 5, 'tcpdump', [], true]) {
    refuses(() => hexdump(allBytes, options as never), /^options must be an object; got /)
  }
  const wrong: [string, unknown[]][] = [
    ['style', ['xxd', 'TCPDUMP', null, 1]],
    ['offset', [-1, 1.5, NaN, Infinity, 2 ** 53, '0', 1n, null]],
    ['length', [-1, 0.5, NaN, Infinity, '3', null]],
    ['width', [0, -16, 257, 8.5, NaN, '16', null]],
    ['squeeze', [0, 'yes', null]],
    ['color', [1, 'always', null]],
    ['indent', [-1, 257, 0.1, '  ', null]],
  ]
  for (const [name, values] of wrong) {
    for (const value of values) {
      refuses(() => hexdump(allBytes, { [name]: value }), new RegExp(`^options\\.${name} must be .*; got `))
      refuses(() => hexdump(new Uint8Array(0), { [name]: value }), new RegExp(`^options\\.${name} must be `))
    }
    t.equal(hexdump(allBytes, { [name]: undefined }), hexdump(allBytes), `${name}: undefined is the default`)
  }
  refuses(() => hexdump(allBytes, { style: 'tcpdump', squeeze: true }), /^options\.squeeze must be false/)
  refuses(() => hexdump(allBytes, { colour: true } as never), /^options\.colour must be left out.*color/)
  refuses(() => hexdump(allBytes, { offset: Number.MAX_SAFE_INTEGER }), /^options\.offset must be at most/)
})

test('a dump longer than a string can be is refused', async (t) => {
  const data = new Uint8Array(110 << 20)
  t.throws(() => hexdump(data, { squeeze: false }), { code: 'ERR_OPTION', message: /^data must be short enough/ })
  t.throws(() => hexdump(data, { style: 'tcpdump', width: 4 }), { code: 'ERR_OPTION' })
  t.equal(hexdump(data).split('\n').length, 4, 'squeezed it fits')
})

test('the CommonJS build dumps too', async (t) => {
  const { hexdump: required } = createRequire(import.meta.url)('ringtap') as typeof import('ringtap')
  t.equal(required(allBytes), hexdump(allBytes))
})
