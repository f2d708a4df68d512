// What of the sanitizers' reports counts.
//
// The tests' other children (ip, tcpdump, sh, …) inherit the sanitizer as well: what they do wrong is none of ours. Of
// our own programs everything counts but leaks on the list below, which is judged by the function that asked for the
// memory: LeakSanitizer's own suppressions hit any frame of a stack, and Node is in all of them.
const ours = /^report\.(node|send|tun_hold)\./

/** Leaks of Node's, by the innermost function of the stack that is not the allocator's. */
const excused = [
  // V8 knows the parts of its heap by way of that heap, into which LeakSanitizer does not look (it is mapped, not
  // allocated). Whatever runs at the time may be the occasion for V8 to enlarge it.
  /^v8::(internal|base|platform)::/,
  // The box around an external value, which V8's heap alone refers to, of those that are alive when the process ends.
  // (What is in the box is ours, and counts.)
  /^napi_create_external$/,
  // A promise of a worker that was terminated in the meantime: Node refuses to resolve it by then, and has no other way
  // to free what stands for it.
  /^napi_create_promise$/,
]

const allocator =
  /^(operator new|malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign|__interceptor|(.* )?std::)/

/** The functions of a stack, innermost first; where there is no name, `module+offset`. */
function functionsOf(part) {
  return [...part.matchAll(/^ *#\d+ 0x[0-9a-f]+ +(?:in )?(.+)$/gm)].map(([, frame]) => {
    const name = /^\((.*)\)$/.exec(frame)?.[1] ?? frame.replace(/ \(?\/[^ ]*\)?$/, '').replace(/ [^ ]+:\d+(:\d+)?$/, '')
    return name.replace(/^(?:[\w:]+(?:<.*?>)?[*&]? )+(?=v8::)/, '')
  })
}

/** Whether a report of a leak is one of Node's own. */
function isNodes(part) {
  const asker = functionsOf(part).find((name) => !allocator.test(name))
  return asker !== undefined && excused.some((pattern) => pattern.test(asker.replace(/\(.*$/, '').trim()))
}

/**
 * @param reports {{ name: string, text: string }[]} the files that the sanitizers wrote, `report.PROGRAM.PID`
 * @returns {{ findings: { name: string, text: string }[], excused: number, foreign: number }}
 */
export function judge(reports) {
  const result = { findings: [], excused: 0, foreign: 0 }
  for (const { name, text } of reports) {
    if (!ours.test(name)) {
      result.foreign++
      continue
    }
    const parts = text.split(/\n{2,}/)
    // Of a process that was killed while it wrote, the last part may lack what excuses it.
    if (parts.length > 1 && !text.includes('SUMMARY: ') && text.includes('detected memory leaks')) parts.pop()
    for (const part of parts) {
      if (!/\S/.test(part) || /^(SUMMARY|=+\s*$)/.test(part.trim()) || isHeading(part)) continue
      if (/leak of \d+ byte/.test(part) && isNodes(part)) result.excused++
      else if (/leak of \d+ byte|ERROR: |WARNING: ThreadSanitizer|FATAL: |runtime error:|LeakSanitizer/.test(part)) {
        result.findings.push({ name, text: part })
      }
    }
  }
  return result
}

/** The line ahead of the leaks, which says no more than that there are some. */
function isHeading(part) {
  return /ERROR: LeakSanitizer: detected memory leaks/.test(part) && !/leak of \d+ byte/.test(part)
}
