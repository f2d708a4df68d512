import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { pcap } from './helpers/savefiles.js'
import { TestFolder } from './helpers/test-folder.js'

const sanitized = process.env['LD_PRELOAD']?.includes('asan')
const script = fileURLToPath(new URL('huge-arguments-child.js', import.meta.url))

t.test(
  'a text that is too long for a copy is refused by an error',
  { skip: sanitized ? 'AddressSanitizer needs more address space than the limit leaves' : false },
  async (t) => {
    const folder = new TestFolder(t)
    const input = folder.file('input.pcap')
    writeFileSync(input, pcap([{ time: 0n, data: Buffer.alloc(60) }]))
    const results = JSON.parse(
      execFileSync(process.execPath, [script, input, folder.file('output.pcapng')], { encoding: 'utf8' }),
    )
    const wrong = (option: string) => ({ code: 'ERR_OPTION', option, short: true })
    const tooLarge = (option: string) => ({ code: 'ERR_FILTER_TOO_LARGE', option, short: true })
    const pattern = (option: string) => ({ code: 'ERR_PATTERN', option, short: true })
    t.strictSame(results, {
      compileFilter: tooLarge('expression'),
      'Capture.open filter': tooLarge('filter'),
      'Capture.open interfaces': wrong('interfaces'),
      'Capture.open include': pattern('interfaces.include'),
      'Capture.open includeHosts': wrong('includeHosts'),
      'Capture.open netns': wrong('netns'),
      'explainSelection include': pattern('selection.include'),
      'explainSelection name': wrong('interface'),
      listInterfaces: wrong('netns'),
      watchInterfaces: wrong('netns'),
      openFile: wrong('source'),
      'openFile filter': tooLarge('filter'),
      'convertFiles inputs': wrong('inputs'),
      'convertFiles output': wrong('output'),
      'convertFiles filter': tooLarge('filter'),
      'replay file': wrong('file'),
      'replay interface': wrong('interface'),
      'Injector.open': wrong('interfaceName'),
      'Injector.open netns': wrong('netns'),
      'SavefileWriter.open': wrong('path'),
      'SavefileWriter filter': tooLarge('filter'),
      'SavefileWriter comment': wrong('comment'),
      'SavefileWriter.write': { code: 'ERR_SYSTEM', errno: 12, short: true },
    })
  },
)
