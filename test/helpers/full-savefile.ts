// A pcapng file with every kind of block.
import { Pcapng } from './savefiles.js'

/** A file with blocks and options of many kinds. */
export function everything(bigEndian: boolean): Buffer {
  const first = new Pcapng(bigEndian)
  const u32 = (value: number) => first.bytes().u32(value).done()
  first.section([
    [1, 'all of it'],
    [2, 'a box'],
    [3, 'Linux 6'],
    [4, 'a test'],
  ])
  first.interface(
    1,
    [
      [2, 'eth0'],
      [3, 'the first'],
      [1, 'one'],
      [1, 'two'],
      [4, Buffer.from([192, 0, 2, 7, 255, 255, 255, 0])],
      [5, Buffer.from('20010db800000000000000000000000140', 'hex')],
      [6, Buffer.from('020000000001', 'hex')],
      [8, first.bytes().u64(10_000_000_000n).done()],
      [9, Buffer.from([9])],
      [11, '\0not port 22'],
      [12, 'that Linux'],
      [13, Buffer.from([4])],
      [14, first.bytes().u64(-10n).done()],
      [15, 'a card'],
      [99, 'unknown'],
    ],
    65535,
  )
  first.block(
    4,
    first
      .bytes()
      .u16(1, 10)
      .padded('\x0a\0\0\x01a.b\0c\0')
      .u16(2, 18)
      .padded(Buffer.concat([Buffer.from('20010db8000000000000000000000002', 'hex'), Buffer.from('d\0')]))
      .u16(0, 0)
      .u16(1, 4)
      .raw('note')
      .u16(0, 0)
      .done(),
  )
  first.packet(0, { time: 1_700_000_000_000_000_011n, data: Buffer.from('hello') }, [
    [1, 'good morning'],
    [2, u32(0x9)],
    [1, 'ü'],
  ])
  first.interface(101, [
    [2, 'tun0'],
    [9, Buffer.from([0x81])],
  ]) // time in units of 1/2 s
  first.packet(1, { time: 5n, data: Buffer.alloc(40, 0x45), originalLength: 1500 }, [[2, u32(0x2)]])
  first.simple(Buffer.from('simple'))
  first.block(10, first.bytes().u32(0x544c534b, 6).padded('secret').done())
  first.block(0xbad, first.bytes().u32(32473).padded('private').done())
  first.block(0x40000bad, first.bytes().u32(32474).done())
  first.block(5, first.bytes().u32(1).u64(0n).u16(4, 8).u64(17n).u16(0, 0).done())
  first.block(0x1234, Buffer.alloc(16))
  const second = new Pcapng(!bigEndian)
  second.section([[1, 'appended']]).interface(113, [[2, 'any']])
  second.packet(0, { time: 3_000_000n, data: Buffer.from('later') })
  return Buffer.concat([first.done(), second.done()])
}
