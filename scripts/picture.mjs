// Renews the picture of the command in README.md: docs/images/ringtap-light.svg and -dark.svg. Runs `ringtap` on a terminal
// (script(1)), in network namespaces of its own, while a host resolves a name, fetches a page, and gets a new interface;
// what the terminal got becomes text in an SVG. Needs root or user namespaces, iproute2, bash, and a build.
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { root } from './tree-files.mjs'

const columns = 150
const command = path.join(root, 'dist', 'cjs', 'cli', 'main.js')

// What the screen shows.

const plain = { color: undefined, bold: false, dim: false }

/** The fixed colours that the command uses of the 256, as numbers among the 16. */
const fixedColors = { 160: 1, 28: 2, 130: 3, 30: 6 }

/** The style after a sequence "select graphic rendition" (ECMA-48, 8.3.117). */
function styled(style, parameters) {
  const fixed = /^38;5;(\d+)$/.exec(parameters)
  if (fixed) return { ...style, color: fixedColors[fixed[1]] }
  let next = { ...style }
  for (const code of parameters.split(';').map(Number)) {
    if (code === 0) next = { ...plain }
    else if (code === 1) next.bold = true
    else if (code === 2) next.dim = true
    else if (code === 22) next.bold = next.dim = false
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next.color = code % 10
    else if (code === 39) next.color = undefined
  }
  return next
}

/** Control sequences, with their parameters and their last letter, and single characters. */
const tokens = new RegExp(`${String.fromCharCode(27)}\\[([\\d;?]*)([A-Za-z])|[^]`, 'gu')

/**
 * The lines of a terminal's output, each a list of runs of characters in one style. Lines are wrapped as the terminal wraps
 * them. Of control sequences only those for styles have an effect.
 */
export function screenLines(output, width) {
  const lines = [[]]
  let style = plain
  let column = 0
  for (const [token, parameters, final] of output.matchAll(tokens)) {
    if (final === 'm') style = styled(style, parameters)
    if (final) continue
    if (token === '\r') column = 0
    else if (token === '\n') {
      lines.push([])
      column = 0
    } else if (token >= ' ') {
      if (column === width) {
        lines.push([])
        column = 0
      }
      // A carriage return without a new line begins the line anew: progress shows its last state.
      if (column === 0) lines[lines.length - 1] = []
      const line = lines.at(-1)
      const last = line.at(-1)
      if (last?.style === style) last.text += token
      else line.push({ style, text: token, column })
      column++
    }
  }
  while (lines.at(-1)?.length === 0) lines.pop()
  return lines
}

// The picture.

const themes = {
  light: {
    window: '#ffffff',
    border: '#d0d7de',
    text: '#1f2328',
    colors: ['#1f2328', '#cf222e', '#116329', '#7d4e00', '#0550ae', '#8250df', '#0a6b78', '#57606a'],
  },
  dark: {
    window: '#0d1117',
    border: '#3d444d',
    text: '#e6edf3',
    colors: ['#6e7681', '#ff7b72', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#e6edf3'],
  },
}
const cell = { width: 8.4, height: 19 }
const margin = { side: 16, top: 40, bottom: 14 }

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
const round = (number) => Number(number.toFixed(2))

/** An SVG of lines as screenLines() returns them. Each run has its exact width, whatever font is used. */
export function pictureOf(lines, width, theme, title) {
  const size = {
    width: round(width * cell.width + 2 * margin.side),
    height: round(lines.length * cell.height + margin.top + margin.bottom),
  }
  // Words of one run that are more than a space apart become texts of their own: spaces in a row would be drawn as one.
  const texts = lines.flatMap((line, row) =>
    line.flatMap(({ style, text, column }) =>
      [...text.matchAll(/\S+(?: \S+)*/g)].map(({ 0: shown, index }) => {
        const attributes = [
          `x="${round(margin.side + (column + index) * cell.width)}"`,
          `y="${round(margin.top + row * cell.height + 14)}"`,
          `textLength="${round(shown.length * cell.width)}"`,
          style.color !== undefined && `fill="${theme.colors[style.color]}"`,
          style.bold && 'font-weight="bold"',
          style.dim && 'opacity="0.65"',
        ]
        return `<text ${attributes.filter(Boolean).join(' ')}>${escaped(shown)}</text>`
      }),
    ),
  )
  const dots = theme.colors
    .slice(1, 4)
    .map((color, i) => `<circle cx="${20 + 18 * i}" cy="19" r="5.5" fill="${color}" opacity="0.8"/>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img">
<title>${escaped(title)}</title>
<rect x="0.5" y="0.5" width="${size.width - 1}" height="${size.height - 1}" rx="9" fill="${theme.window}" stroke="${theme.border}"/>
${dots.join('')}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="${theme.text}">
${texts.join('\n')}
</g>
</svg>
`
}

// The scene.

function ip(words) {
  const { status, stderr } = spawnSync('ip', words.split(' '), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`)
}

/** A namespace of its own for the other side, and a command run in it. */
function otherSide() {
  const holder = spawn('unshare', ['-n', 'sleep', '30'], { stdio: 'ignore' })
  const inside = (...words) =>
    spawn('nsenter', ['-t', String(holder.pid), '-n', ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
  return { holder, inside }
}

/** The servers of the other side: names and pages. */
async function serve() {
  const { createServer } = await import('node:http')
  const names = createSocket('udp4')
  names.on('message', (question, from) => {
    const answer = Buffer.concat([
      question,
      // The name of the question (a pointer), type A, class IN, 300 seconds, 192.0.2.80.
      Buffer.from('c00c000100010000012c0004c0000250', 'hex'),
    ])
    answer.writeUInt16BE(0x8180, 2)
    answer.writeUInt16BE(1, 6)
    names.send(answer, from.port, from.address)
  })
  names.bind(53)
  createServer((_, response) => response.end('hello\n')).listen(80)
}

async function resolve(name, server) {
  const socket = createSocket('udp4')
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  const head = Buffer.from('3a5101000001000000000000', 'hex')
  socket.send(Buffer.concat([head, ...labels, Buffer.from('0000010001', 'hex')]), 53, server)
  await once(socket, 'message')
  socket.close()
}

async function fetchPage(url) {
  const response = await new Promise((done) => get(url, { agent: false }, done))
  response.resume()
  await once(response, 'close')
}

/** Plays the scene on a terminal and returns the terminal's output. */
async function play() {
  // Without IPv6 there are only the packets of the scene; without options of TCP, a line has most packets.
  const settings = [
    'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done; cd /proc/sys/net/ipv4',
    'for f in tcp_timestamps tcp_sack tcp_window_scaling; do echo 0 >$f; done',
  ].join('; ')
  spawnSync('sh', ['-c', settings])
  const other = otherSide()
  await sleep(300)
  await once(other.inside('sh', '-c', settings), 'close')
  ip('link set lo up')
  ip(`link add eth0 type veth peer name eth0 netns ${other.holder.pid}`)
  for (const words of ['link set lo up', 'addr add 192.0.2.80/24 dev eth0', 'link set eth0 up'])
    await once(other.inside('ip', ...words.split(' ')), 'close')
  ip('addr add 192.0.2.10/24 dev eth0')
  ip('link set eth0 up')
  const server = other.inside(process.execPath, fileURLToPath(import.meta.url), 'serve')
  await sleep(800)

  const line = `stty cols ${columns} rows 40; exec ${process.execPath} ${command}`
  const { NO_COLOR: _, ...env } = process.env
  const terminal = spawn('script', ['-qec', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...env, TERM: 'xterm-256color' },
  })
  let output = ''
  terminal.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  const shown = async (what) => {
    for (const deadline = Date.now() + 10_000; !what.test(output); await sleep(20))
      if (Date.now() > deadline) throw new Error(`the terminal does not show ${what}:\n${output}`)
  }
  await shown(/listening/)
  await resolve('example.com', '192.0.2.80')
  await shown(/80\.53 > /)
  await fetchPage('http://192.0.2.80/')
  await shown(/Flags \[F\.\]/)
  await sleep(200)
  // A container starts.
  ip(`link add veth7 type veth peer name eth1 netns ${other.holder.pid}`)
  for (const words of ['addr add 198.51.100.2/24 dev eth1', 'link set eth1 up'])
    await once(other.inside('ip', ...words.split(' ')), 'close')
  ip('addr add 198.51.100.1/24 dev veth7')
  ip('link set veth7 up')
  await once(other.inside('bash', '-c', 'echo started >/dev/udp/198.51.100.1/514'), 'close')
  await shown(/veth7[\s\S]*ICMP/)
  await sleep(200)
  terminal.stdin.write('\x03')
  await once(terminal, 'close')
  server.kill()
  other.holder.kill()
  return output
}

async function main() {
  if (process.argv[2] === 'serve') return serve()
  if (process.argv[2] !== 'inside') {
    const words = [process.execPath, fileURLToPath(import.meta.url), 'inside']
    process.exitCode = spawnSync('unshare', ['-rn', ...words], { stdio: 'inherit' }).status ?? 1
    return
  }
  const output = await play().catch((error) => {
    console.error(error.message)
    process.exit(1)
  })
  const lines = screenLines(`$ sudo npx ringtap\r\n${output.replace('^C', '')}`, columns)
  const unbroken = screenLines(output, Number.POSITIVE_INFINITY).length + 1
  if (lines.length !== unbroken) throw new Error(`a line is longer than ${columns} columns`)
  const folder = path.join(root, 'docs', 'images')
  mkdirSync(folder, { recursive: true })
  for (const [name, theme] of Object.entries(themes)) {
    const file = path.join(folder, `ringtap-${name}.svg`)
    writeFileSync(file, pictureOf(lines, columns, theme, 'A terminal in which npx ringtap prints packets'))
  }
  console.log(`docs/images: ${lines.length} lines`)
  process.exit(0)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
