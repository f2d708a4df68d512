// llms.txt (https://llmstxt.org): what programs that read documentation need first, and the list of its texts. Its links
// are paths of the source tree; package and site have the Markdown at the same paths.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../tree-files.mjs'

/**
 * The text of llms.txt.
 *
 * @param sections what `contents()` returns
 */
export function llmsText(sections) {
  const { name, description } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const line = ({ file, title, description: what }) => `- [${title}](${file})${what ? `: ${what}` : ''}`
  const lists = sections.map(({ title, entries }) => `## ${title}\n\n${entries.map(line).join('\n')}`)
  return `# ${name}

> ${description}

${notes.trim()}

${['## Overview\n\n- [README](README.md): what it is, and the first program', ...lists].join('\n\n')}
`
}

const notes = `
- Linux only; Node.js 20.17 or later. \`npm install ringtap\` contains the addon: nothing is compiled or downloaded.
- Capturing needs CAP_NET_RAW; \`checkCapture()\` and \`npx ringtap doctor\` report what is missing and how to grant it.
- \`Capture.open(options)\` returns a promise of a capture; \`for await (const chunk of capture)\` gives chunks of packets. A chunk
  and its packets are valid until the loop asks for the next chunk: keep packets with \`packet.copy()\` or \`chunk.retain()\`.
- \`packet.timestamp\` is a bigint, nanoseconds since 1970; durations in options are milliseconds, sizes are bytes.
- Pattern strings of \`interfaces.include\` and \`interfaces.exclude\` are POSIX extended regular expressions that are searched
  for, not matched whole; a plain name or list of names as \`interfaces\` is exact.
- Errors are \`CaptureError\` with a stable \`code\`. \`docs/api.md\` has the types of every public name.
`
