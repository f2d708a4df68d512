import { formatIp, formatMac, formatTimestamp, parseIp, serviceName } from 'ringtap'
import t from 'tap'

t.test('addresses in the form of RFC 5952', async (t) => {
  const cases: [string, string][] = [
    ['0.0.0.0', '00000000'],
    ['192.168.7.200', 'c0a807c8'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['1::', '00010000000000000000000000000000'],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    // One group of 0 is not shortened; the longest run is, and of equal ones the first.
    ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['2001:0:0:1::1', '20010000000000010000000000000001'],
    ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'],
    ['1:2:3:4:5:6::', '00010002000300040005000600000000'],
    ['fe80::aabb:cc00:ddee:ff01', 'fe80000000000000aabbcc00ddeeff01'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['::c000:201', '000000000000000000000000c0000201'],
    ['0:1:2:3:4:5:6:7', '00000001000200030004000500060007'],
  ]
  for (const [text, digits] of cases) {
    const bytes = Uint8Array.from(Buffer.from(digits, 'hex'))
    t.equal(formatIp(bytes), text)
    t.strictSame(parseIp(text), bytes, text)
  }
  t.strictSame(parseIp('2001:0DB8:0:0::1'), parseIp('2001:db8::1'))
  t.strictSame(parseIp('64:ff9b::192.0.2.33'), parseIp('64:ff9b::c000:221'))
  for (const wrong of ['', '1.2.3', '01.2.3.4', '1.2.3.4 ', ':::', '1::2::3', 'fe80::1%eth0', 'example', 7, null, {}]) {
    t.throws(() => parseIp(wrong as string), { name: 'CaptureError', code: 'ERR_OPTION', option: 'text' })
  }
  for (const wrong of [new Uint8Array(5), new Uint8Array(0), '1.2.3.4', [1, 2, 3, 4], undefined]) {
    t.throws(() => formatIp(wrong as Uint8Array), { code: 'ERR_OPTION', option: 'address' })
  }
})

t.test('hardware addresses', async (t) => {
  t.equal(formatMac(Uint8Array.of(2, 0, 0x5e, 0x10, 0, 0xff)), '02:00:5e:10:00:ff')
  t.equal(formatMac(new Uint8Array(8)), '00:00:00:00:00:00:00:00')
  for (const wrong of [new Uint8Array(0), new Uint8Array(33), '02:00', undefined]) {
    t.throws(() => formatMac(wrong as Uint8Array), { code: 'ERR_OPTION', option: 'address' })
  }
})

t.test('timestamps', async (t) => {
  t.equal(formatTimestamp(0n), '1970-01-01T00:00:00.000000000Z')
  t.equal(formatTimestamp(1_795_868_036_000_000_789n), '2026-11-28T12:13:56.000000789Z')
  t.equal(formatTimestamp(2n ** 64n - 1n), '2554-07-21T23:34:33.709551615Z')
  for (const wrong of [-1n, 2n ** 64n, 5, '5', undefined]) {
    t.throws(() => formatTimestamp(wrong as bigint), { code: 'ERR_OPTION', option: 'timestamp' })
  }
})

t.test('services', async (t) => {
  t.equal(serviceName(443), 'https')
  t.equal(serviceName(53), 'domain')
  t.equal(serviceName(51820), 'wireguard')
  t.equal(serviceName(40_000), undefined)
  for (const wrong of [-1, 65_536, 1.5, '80', undefined]) {
    t.throws(() => serviceName(wrong as number), { code: 'ERR_OPTION', option: 'port' })
  }
})
