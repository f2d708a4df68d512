// Live checks: what is recorded, written and read.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, createWriteStream, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import zlib from 'node:zlib'
import { Capture, convertFiles, openFile, Packet, SavefileWriter } from 'ringtap'
import { equal, expectRecorded, file, filter, frames, record, send, until } from './support.mjs'

/** Ways to compress: the end of a file's name, and its first bytes. */
const endings = [
  ['gzip', 'gz', '1f8b'],
  ['zstd', 'zst', '28b52ffd'],
]

/** A line of a TLS key log. */
const secret = `CLIENT_RANDOM ${'0a'.repeat(32)} ${'f0'.repeat(48)}\n`

/** Reads a file that has 50 frames and the secret. */
async function expectSecret(name) {
  const savefile = await openFile(file(name), { keep: { blocks: ['decryptionSecrets'] } })
  let packets = 0
  for await (const chunk of savefile) packets += chunk.packetCount
  equal(packets, 50, 'packets')
  equal(savefile.blocks.map(({ data }) => Buffer.from(data).toString()).join(), secret, 'secrets')
}

export const fileChecks = {
  record: async () => {
    await record('recorded.pcapng')
    equal(statSync(file('recorded.pcapng')).size > 50 * 60, true, 'the file')
  },
  openFile: () => expectRecorded('recorded.pcapng'),
  'record, gzip and zstd': async () => {
    for (const [, ending, magic] of endings) {
      const name = `packed.pcapng.${ending}`
      await record(name)
      const bytes = readFileSync(file(name))
      equal(bytes.subarray(0, magic.length / 2).toString('hex'), magic, name)
      // The runtime's own codecs, where it has them, as a second reader.
      const unpack = ending === 'gz' ? zlib.gunzipSync : zlib.zstdDecompressSync
      if (unpack) writeFileSync(file('unpacked.pcapng'), unpack(bytes))
      for (const one of unpack ? [name, 'unpacked.pcapng'] : [name]) await expectRecorded(one)
    }
  },
  'batches, gzip and zstd': async () => {
    for (const [compress] of endings) {
      const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
      const batches = session.batches({ compress })
      await send(50, 0)
      await session.stop()
      let packets = 0
      for await (const batch of batches) {
        writeFileSync(file('batch'), batch.bytes)
        for await (const chunk of await openFile(file('batch'))) packets += chunk.packetCount
      }
      await session.close()
      equal(packets, 50, compress)
    }
  },
  'read, gzip and zstd': async () => {
    const writer = await SavefileWriter.open(file('written.pcap'))
    for (let i = 0; i < 20; i++) await writer.write(Packet.from(frames(1, i)[0], { timestamp: BigInt(i) * 1000n }))
    await writer.close()
    const plain = readFileSync(file('written.pcap'))
    writeFileSync(file('written.pcap.gz'), zlib.gzipSync(plain))
    const names = ['written.pcap', 'written.pcap.gz']
    if (zlib.zstdCompressSync) {
      writeFileSync(file('written.pcap.zst'), zlib.zstdCompressSync(plain))
      names.push('written.pcap.zst')
    }
    for (const name of names) {
      let packets = 0
      for await (const chunk of await openFile(file(name))) packets += chunk.packetCount
      equal(packets, 20, name)
    }
  },
  'write, gzip and zstd': async () => {
    const packets = frames(3000).map((bytes, i) => Packet.from(bytes, { timestamp: BigInt(i) * 1000n }))
    for (const [compress, ending] of endings) {
      const writer = await SavefileWriter.open(file(`writer.pcapng.${ending}`), { compress })
      for (let i = 0; i < packets.length; i += 1000) {
        await writer.write(packets.slice(i, i + 1000))
        await writer.flush() // each begins another member or frame
      }
      equal((await writer.close()).packets, 3000, 'written')
      await expectRecorded(`writer.pcapng.${ending}`, 3000)
    }
  },
  'chunks as files, gzip and zstd': async () => {
    for (const [compress, ending] of endings) {
      let first = 0
      for await (const chunk of await openFile(file('recorded.pcapng'))) {
        writeFileSync(file(`chunk.${ending}`), await chunk.encode({ compress }))
        for await (const again of await openFile(file(`chunk.${ending}`)))
          for (const packet of again) equal(packet.capturedLength, 60, `the length of packet ${first++}`)
      }
      equal(first, 50, 'packets')
    }
  },
  convert: async () => {
    const result = await convertFiles([file('recorded.pcapng'), file('written.pcap')], file('merged.pcapng'))
    equal(result.written, 70, 'written')
  },
  'secrets of TLS': async () => {
    await record('secrets.pcapng', (recording) => recording.addSecrets(secret))
    await expectSecret('secrets.pcapng')
    for (const [compress, ending] of endings) {
      const writer = await SavefileWriter.open(file(`secrets.pcapng.${ending}`), { compress })
      await writer.addSecrets(secret)
      for await (const chunk of await openFile(file('recorded.pcapng'))) await writer.write(chunk)
      await writer.close()
      await expectSecret(`secrets.pcapng.${ending}`)
    }
  },
  'flight recorder': async () => {
    const session = await Capture.open({ interfaces: 'right', direction: 'in', filter })
    const recorder = session.flightRecorder({ memory: 1 << 20 })
    await send(25, 0)
    await until(() => session.stats().received === 25, 'the packets')
    const later = recorder.dump(file('later.pcapng'), { after: 1 })
    const now = await recorder.dump(createWriteStream(file('now.pcapng')))
    await send(25, 25)
    const { packets, lost, overwritten } = await later
    equal([now.packets, packets, lost, overwritten].join(), '25,50,0,0', 'dumped')
    await expectRecorded('now.pcapng', 25)
    await expectRecorded('later.pcapng')
    await session.close()
    await recorder.stop()
  },
  // As Wireshark has it from `ringtap extcap`.
  'record into a named pipe': async () => {
    equal(spawnSync('mkfifo', [file('pipe')]).status, 0, 'mkfifo')
    const reader = spawn('sh', ['-c', 'exec cat "$0" >"$1"', file('pipe'), file('piped.pcapng')], { stdio: 'ignore' })
    const ended = once(reader, 'exit')
    let held
    await until(() => {
      try {
        held = openSync(file('pipe'), constants.O_WRONLY | constants.O_NONBLOCK)
        return true
      } catch (error) {
        if (error.code !== 'ENXIO') throw error
        return false
      }
    }, 'the reader')
    await record('pipe', () => closeSync(held))
    equal((await ended)[0], 0, 'cat')
    await expectRecorded('piped.pcapng')
  },
}
