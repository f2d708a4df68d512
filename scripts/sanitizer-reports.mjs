// Decides which sanitizer reports count as failures.
//
// The tests' other child processes (ip, tcpdump, sh, …) inherit the sanitizer, and their reports are ignored. For our
// own programs every report counts except leaks on the list below, matched by the function that allocated the memory:
// LeakSanitizer's own suppressions match any frame of a stack, and Node is in every stack.
const ours = /^report\.(node|send|tun_hold)\./

/** Leaks in Node, by the innermost stack function outside the allocator. */
const excused = [
  // V8 refers to parts of its heap from that heap, which LeakSanitizer does not scan (it is mapped, not allocated). Any
  // JavaScript may cause V8 to enlarge it.
  /^v8::(internal|base|platform)::/,
  // The wrapper of an external value, referenced only from V8's heap, if it is alive at process exit. (The wrapped data
  // is ours, and its leaks count.)
  /^napi_create_external$/,
  // A promise of a worker that was terminated meanwhile: Node then refuses to resolve it and has no other way to free
  // its deferred handle.
  /^napi_create_promise$/,
  // OpenSSL, which Node alone calls: neither its providers nor what it keeps for each thread of libuv's pool are freed at
  // process exit.
  /^(CRYPTO_(zalloc|malloc|strdup|strndup)$|OPENSSL_sk_|ossl_)/,
]

const allocator =
  /^(operator new|malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign|__interceptor|(.* )?std::)/

/** The functions of a stack, innermost first; unnamed ones as `module+offset`. */
function functionsOf(part) {
  return [...part.matchAll(/^ *#\d+ 0x[0-9a-f]+ +(?:in )?(.+)$/gm)].map(([, frame]) => {
    const name = /^\((.*)\)$/.exec(frame)?.[1] ?? frame.replace(/ \(?\/[^ ]*\)?$/, '').replace(/ [^ ]+:\d+(:\d+)?$/, '')
    return name.replace(/^(?:[\w:]+(?:<.*?>)?[*&]? )+(?=v8::)/, '')
  })
}

/** Whether a leak report is one of the excused leaks in Node. */
function isNodes(part) {
  const asker = functionsOf(part).find((name) => !allocator.test(name))
  return asker !== undefined && excused.some((pattern) => pattern.test(asker.replace(/\(.*$/, '').trim()))
}

/**
 * @param reports {{ name: string, text: string }[]} the files written by the sanitizers, `report.PROGRAM.PID`
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
    // If the process was killed while writing, the last part may lack the frames that would excuse it.
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

/** Whether a part is only the heading ahead of the leaks. */
function isHeading(part) {
  return /ERROR: LeakSanitizer: detected memory leaks/.test(part) && !/leak of \d+ byte/.test(part)
}
