import t from 'tap'

interface Judgement {
  findings: { name: string; text: string }[]
  excused: number
  foreign: number
}

const { judge } = (await import(new URL('../../../../scripts/sanitizer-reports.mjs', import.meta.url).href)) as {
  judge(reports: { name: string; text: string }[]): Judgement
}

/** A leak report in LeakSanitizer's format. */
function leak(...frames: string[]): string {
  const allocator = 'in operator new(unsigned long) ../../../../src/libsanitizer/asan/asan_new_delete.cpp:95'
  const stack = [allocator, ...frames].map((frame, i) => `    #${i} 0x7f569b0b94c${i} ${frame}`)
  return ['Direct leak of 40 byte(s) in 1 object(s) allocated from:', ...stack].join('\n')
}

function report(...parts: string[]): string {
  return [
    '\n=================================================================\n==9==ERROR: LeakSanitizer: detected memory leaks',
    ...parts,
    'SUMMARY: AddressSanitizer: 40 byte(s) leaked in 1 allocation(s).\n',
  ].join('\n\n')
}

const inOurs = 'in compile /src/native/binding/filter/filter.cpp:66'
const inNode = 'in node::Environment::Something(int) (/usr/bin/node+0xbbadae)'
const inV8 = 'in v8::internal::Page::AllocateFreeListCategories() (/usr/bin/node+0x10fba71)'

t.test('reports about our code count, known reports about Node and V8 do not', async (t) => {
  const counts = {
    'a leak of ours': report(leak(inOurs, inNode)),
    'a leak of ours that V8 asked for': report(leak(inOurs, inV8)),
    'a leak of ours in a container': report(leak('in std::vector<int>::_M_insert(int) (/addon+0x1)', inOurs)),
    'a leak after the addon was unloaded': report(leak(' (<unknown module>)', inV8)),
    'a leak in libpcap': report(leak('in pcap_open_live (/usr/lib/libpcap.so.0.8+0x1)', inNode)),
    'a reference that is kept': report(leak('in napi_create_reference (/usr/bin/node+0xc5)', inOurs)),
    'a leak of Node that is not on the list': report(leak(inNode)),
    'a leak without a stack': report(leak()),
    'an error': '==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x60200000\n    #0 0x1 in f /x.cpp:1',
    'undefined behaviour': '/src/native/core/block/block.h:3:4: runtime error: load of misaligned address',
    'a data race':
      '==================\nWARNING: ThreadSanitizer: data race (pid=9)\n  Write of size 8 at 0x7b04 by thread T1:',
    'a LeakSanitizer that could not look': '==9==LeakSanitizer has encountered a fatal error.',
  }
  for (const [what, text] of Object.entries(counts)) {
    t.match(judge([{ name: 'report.node.9', text }]), { findings: [{}], excused: 0, foreign: 0 }, what)
  }
  const excused = {
    'of V8': report(leak(inV8, inOurs)),
    'of V8, with a return type': report(leak('in void v8::internal::Heap::Grow<int>(int) (/usr/bin/node+0x1)')),
    'of V8, in a container': report(leak('in void std::vector<int>::_M_insert(int) (/usr/bin/node+0x1)', inV8)),
    'the box of an external value': report(leak('in napi_create_external (/usr/bin/node+0xc50413)', inOurs)),
    'of V8, and a report that was cut off': report(leak(inV8), leak()).replace(/\n\nSUMMARY.*/s, ''),
    "OpenSSL's state of a thread": report(leak('in CRYPTO_strdup (/usr/bin/node+0x1bda6af)', inNode)),
    "OpenSSL's providers": report(leak('in ossl_provider_set_operation_bit (/usr/bin/node+0x1be7551)', inNode)),
    'an abandoned promise': report(leak('in napi_create_promise (/usr/bin/node+0xc53259)', inOurs)),
  }
  for (const [what, text] of Object.entries(excused)) {
    t.same(judge([{ name: 'report.node.9', text }]), { findings: [], excused: 1, foreign: 0 }, what)
  }
  const two = judge([
    { name: 'report.ip.10', text: report(leak(inOurs)) },
    { name: 'report.send.11', text: report(leak(inOurs), leak(inOurs)) },
  ])
  t.match(two, { findings: [{ name: 'report.send.11' }, { name: 'report.send.11' }], excused: 0, foreign: 1 })
})
