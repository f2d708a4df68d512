// Wireshark's list of interfaces: tshark finds ringtap's, configures them, and captures with them.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { command, Running, ringtap } from '../../helpers/command.js'
import { readAll } from '../../helpers/read-savefile.js'
import { TestFolder } from '../../helpers/test-folder.js'
import { run } from '../../helpers/wireshark.js'
import t from '../support/live.js'
import { addVeth } from '../support/network.js'
import { sendSync } from '../support/send.js'
import { waitUntil } from '../support/wait.js'

addVeth('eth0', 'far0')
const folder = new TestFolder(t)

/** A folder with one program, a shell script. */
function program(name: string, script: string): string {
  const place = folder.file(`with-${name}`)
  mkdirSync(place)
  writeFileSync(`${place}/${name}`, `#!/bin/sh\n${script}\n`)
  chmodSync(`${place}/${name}`, 0o755)
  return place
}

const extcap = program('ringtap', `unset NODE_OPTIONS; exec '${process.execPath}' '${command}' "$@"`)
// What ssh(1) does: the last word is a command line for the shell of the other machine, which is this one.
const log = folder.file('ssh.log')
const ssh = program('ssh', `printf '%s\\n' "$@" >'${log}'; for last; do :; done; exec sh -c "$last"`)
const [, system] = /^(?:Global )?Extcap path:\s*(.*)$/m.exec(run('tshark', ['-G', 'folders']).toString()) ?? []
t.ok(system, 'tshark names its folder of extcap programs')

/** tshark, in whose folder of extcap programs there is ringtap alone: a variable for it is ignored for root. */
function tshark(t: ConstructorParameters<typeof Running>[0], ...args: string[]) {
  const script = `mount --bind '${extcap}' '${system}' && PATH='${ssh}':"$PATH" exec tshark -n "$@"`
  return new Running(t, 'unshare', ['-m', 'sh', '-c', script, 'sh', ...args])
}

t.test('tshark -D lists them', async (t) => {
  const { stdout } = await tshark(t, '-D').end()
  t.match(stdout, /^\d+\. ringtap \(All interfaces, and those that appear\)$/m)
  t.match(stdout, /^\d+\. ringtap-ssh \(All interfaces of another machine, over ssh\)$/m)
})

t.test('a capture, with what the dialogue sets, ends with tshark', async (t) => {
  for (const name of ['ringtap', 'ringtap-ssh']) {
    const option = (text: string) => ['-o', `extcap.${name.replace('-', '_')}.${text}`]
    const remote = [
      ...option('remotehost:there'),
      ...option('remoteport:2222'),
      ...option(`remotecommand:${extcap}/ringtap`),
    ]
    const file = folder.fresh()
    const running = tshark(
      t,
      ...['-i', name, ...option('interface:^eth'), ...(name === 'ringtap-ssh' ? remote : [])],
      ...['-f', 'udp port 4000', '-w', file, '-c', '30'],
    )
    await running.said(/Capturing on /)
    // Nothing says when the capture has begun, but its packets.
    let start = 0
    await waitUntil(() => {
      sendSync({ interface: 'eth0', count: 1, port: 4000, start: start++ })
      sendSync({ interface: 'eth0', count: 1, port: 4001 })
      return running.child.exitCode !== null
    }, 'tshark to have its packets')
    const { code, stderr } = await running.end()
    t.equal(code, 0, stderr)
    const { packets, file: read } = await readAll(file)
    t.equal(packets.length, 30)
    t.same([...new Set(packets.map((one) => one.interface.name))], ['eth0'], 'the interfaces are those of ringtap')
    t.same([...new Set(packets.map((one) => one.readUInt16BE(36)))], [4000])
    t.equal(read.format, 'pcapng')
  }
  const words = readFileSync(log, 'utf8').trimEnd().split('\n')
  t.same(words.slice(0, -1), ['-o', 'BatchMode=yes', '-p', '2222', '--', 'there'])
  t.equal(words.at(-1), `${extcap}/ringtap '-w' '-' '-i' '^eth' '-f' 'udp port 4000'`)
})

t.test('a bad filter: tshark shows why', async (t) => {
  const { stderr } = await tshark(t, '-i', 'ringtap', '-f', 'udp prt 4000', '-c', '1').end()
  t.match(stderr, /ringtap: filter "udp prt 4000": can't parse filter expression: syntax error/)
})

t.test('what the requests answer', async (t) => {
  t.same(ringtap(['--extcap-interfaces', '--extcap-version=4.4']).stdout.split('\n').length, 4)
  t.match(
    ringtap(['--extcap-interface=ringtap', '--extcap-dlts']).stdout,
    /^dlt \{number=1\}\{name=EN10MB\}\{display=.*\}\n$/,
  )
  const fields = (name: string) => [
    ...ringtap(['--extcap-interface', name, '--extcap-config']).stdout.matchAll(
      /^arg \{number=(\d+)\}\{call=(--[a-z-]+)\}\{.*\}$/gm,
    ),
  ]
  t.same(
    fields('ringtap').map(([, number]) => Number(number)),
    [0, 1, 2, 3, 4, 5],
  )
  // Each field is an option.
  const help = ringtap(['extcap', '--help']).stdout
  for (const [, , option = ''] of fields('ringtap-ssh'))
    t.ok(help.includes(`${option} `) || help.includes(`${option}\n`), option)
  t.match(ringtap(['--extcap-interface=ringtap', '--extcap-capture-filter=udp']), { code: 0, stdout: '' })
  t.match(ringtap(['--extcap-interface=ringtap', '--extcap-capture-filter=udp prt']), {
    code: 0,
    stdout: /^filter "udp prt"/,
  })
  t.match(ringtap(['--extcap-interface=x', '--extcap-config']), {
    code: 2,
    stderr: /must be one of ringtap, ringtap-ssh/,
  })
  t.match(ringtap(['--extcap-interface=ringtap', '--capture']), { code: 2, stderr: /--capture needs --fifo PATH/ })
  t.match(ringtap(['--extcap-interface=ringtap-ssh', '--capture', '--fifo', '/x', '--remote-host=-oProxyCommand=x']), {
    code: 2,
    stderr: /a host cannot begin with -/,
  })
})
