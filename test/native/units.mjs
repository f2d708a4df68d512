// Prints what is compiled in place of the C++ tests: a program for those of a folder, and others for those that need a
// network namespace, or libpcap's headers. They take longer to compile than to run, and what they include is compiled
// once per program.
//
//   node units.mjs TEST.cpp…    prints a line per program: its name, its source, and the tests in it
//
// Each test is in a namespace of its own, and what all of them include comes before. Sources are written to build/units in
// the working directory (native/units.mjs).
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { writeUnit } from '../../native/units.mjs'

const nameOf = (file) => path.basename(file, '.cpp')

/** Includes libpcap's headers: other tests of a capture include linux/bpf.h, and both define struct bpf_insn. */
const ofLibpcap = /^#include "core\/capture\/pcap\//m
/** Enters a network namespace when the program starts (support/namespace.h), whichever tests of it are to run. */
const inNamespace = /^#include "support\/(?:namespace|traffic|consumer|small_capture|filter_modes)\.h"/m

/** By name: the programs, as the paths and texts of their tests. */
function programsOf(files) {
  const programs = new Map()
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const parts = [
      path.basename(path.dirname(file)),
      ...(ofLibpcap.test(text) ? ['pcap'] : []),
      ...(inNamespace.test(text) || file.endsWith('_live_test.cpp') ? ['live'] : []),
      'tests',
    ]
    const program = parts.join('_')
    programs.set(program, [...(programs.get(program) ?? []), { file, text }])
  }
  return programs
}

/** The kernel's headers define what this one does, unless it comes first (linux/libc-compat.h). */
const first = '#include <net/if.h>'

function contentOf(files) {
  const includes = files.flatMap(({ text }) => text.match(/^#include .*$/gm) ?? [])
  const tests = files.map(({ file }) => `namespace ${nameOf(file)} {\n#include "${file}"\n}`)
  return [...new Set([first, ...includes]), ...tests, ''].join('\n')
}

for (const [program, files] of programsOf(process.argv.slice(2))) {
  const source = writeUnit(`${program}.cpp`, contentOf(files))
  console.log([program, source, ...files.map(({ file }) => nameOf(file))].join(' '))
}
