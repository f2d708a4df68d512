// The completions, in the shells themselves, and the manual page, in what shows manual pages.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { command, ringtap, shell } from '../helpers/command.js'
import { Terminal } from '../helpers/terminal.js'
import { TestFolder } from '../helpers/test-folder.js'

const folder = new TestFolder(t)
const shells = ['bash', 'zsh', 'fish'] as const
const scripts = Object.fromEntries(
  shells.map((name) => {
    const { code, stdout } = ringtap(['completion', name])
    t.equal(code, 0)
    const file = folder.file(name)
    writeFileSync(file, stdout)
    return [name, file]
  }),
)
const place = folder.file('place')
mkdirSync(place)
for (const name of ['a b.pcap', 'x$(id).pcapng']) writeFileSync(path.join(place, name), '')

function run(program: string, args: string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: place, env: shell(), input })
  if (error) throw new Error(`${program}: ${error.message} (these tests need bash, zsh, fish and mandoc)`)
  t.equal(stderr.toString(), '', program)
  t.equal(status, 0, program)
  return stdout.toString()
}

/** What bash offers for the last of these words. */
function inBash(...words: string[]): string[] {
  const script = `source ${scripts['bash']}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ringtap; printf '%s\\n' "\${COMPREPLY[@]}"`
  return run('bash', ['--norc', '-c', script, 'bash', 'ringtap', ...words])
    .split('\n')
    .filter(Boolean)
    .sort()
}

/** What fish offers for the last word of a line. */
function inFish(line: string): string[] {
  const script = `source ${scripts['fish']}; complete -C ${JSON.stringify(line)}`
  const home = { HOME: folder.path, XDG_CONFIG_HOME: folder.path, XDG_DATA_HOME: folder.path }
  const { stdout, status } = spawnSync('fish', ['--no-config', '-c', script], { cwd: place, env: shell(home) })
  t.equal(status, 0, 'fish')
  return stdout
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((one) => one.split('\t')[0]!)
    .sort()
}

const commands = [...ringtap(['--help']).stdout.matchAll(/^ {2}([a-z]+)(?:\|([a-z]+))?[ [].* {2}/gm)]
  .flatMap(([, name, alias]) => [name!, alias])
  .filter((name) => name !== undefined)
  .sort()

const flagsOf = new Map<string, string[]>()

/** The flags in the help of a command. */
function flags(name: string): string[] {
  const known = flagsOf.get(name) ?? readFlags(name)
  flagsOf.set(name, known)
  return known
}

function readFlags(name: string): string[] {
  const help = ringtap([name, '--help']).stdout
  const options = help.slice(help.indexOf('Options:'), help.indexOf('\nExamples:'))
  return [...options.matchAll(/^ {2}(-.*?)(?= {2}|$)/gm)]
    .flatMap(([, terms]) => terms!.match(/(?<![\w-])--?[\w-]+/g)!)
    .sort()
}

t.test('bash: commands, flags, choices, interfaces, files', async (t) => {
  t.ok(commands.includes('merge') && commands.includes('completion'), commands.join())
  t.same(inBash(''), commands)
  t.same(inBash('me'), ['merge'])
  for (const name of commands.filter((one) => one !== 'help')) t.same(inBash(name, '-'), flags(name), name)
  t.same(inBash('--'), [...flags('capture'), '--version'].filter((flag) => flag.startsWith('--')).sort())
  t.same(inBash('top', '--by', ''), ['container', 'flow', 'host', 'interface', 'port', 'process'])
  t.same(inBash('top', '--by', '=', 'ho'), ['host'])
  t.same(inBash('top', '--by', '='), ['container', 'flow', 'host', 'interface', 'port', 'process'])
  t.ok(inBash('-i', '').includes('lo'))
  t.same(inBash('-i', 'l'), inBash('top', '--interface', 'l'))
  t.same(inBash('read', ''), ['a b.pcap', 'x$(id).pcapng'])
  t.same(inBash('-w', 'a'), ['a b.pcap'])
  t.same(inBash('-c', ''), [])
  t.ok(inBash('-z', 'gzi').includes('gzip'))
  t.same(inBash('completion', ''), ['bash', 'fish', 'zsh'])
})

t.test('bash as a person uses it', async (t) => {
  const terminal = new Terminal(t)
  terminal.type(`cd ${place}; ringtap() { $R "$@"; }; source <(ringtap completion bash); clear; echo ready`)
  await terminal.shows(/^ready\n\$\n*$/)
  terminal.keys('-l', 'ringtap explain lo')
  terminal.keys('Tab')
  terminal.keys('-l', '--', '--j')
  terminal.keys('Tab', 'Enter')
  await terminal.shows(/^\$ ringtap explain lo --json *\n\{/m)
  terminal.type('clear; echo again')
  await terminal.shows(/^again\n\$\n*$/)
  terminal.keys('-l', 'ringtap hexdump a')
  terminal.keys('Tab')
  await terminal.shows(/^\$ ringtap hexdump a\\ b\.pcap$/m)
})

t.test('fish: the same', async (t) => {
  t.same(inFish('ringtap '), commands)
  for (const name of commands.filter((one) => one !== 'help')) {
    // fish offers -x alone, and after it other short flags as -xy; so they are counted in the help of each.
    t.same(
      inFish(`ringtap ${name} --`),
      flags(name).filter((flag) => flag.startsWith('--')),
      name,
    )
  }
  t.same(inFish('ringtap top --by '), ['container', 'flow', 'host', 'interface', 'port', 'process'])
  t.ok(inFish('ringtap -i ').includes('lo'))
  t.same(inFish('ringtap read '), ['a b.pcap', 'x$(id).pcapng'])
  t.same(inFish('ringtap completion '), ['bash', 'fish', 'zsh'])
})

t.test('zsh as a person uses it', async (t) => {
  const terminal = new Terminal(t, [120, 40])
  terminal.type(`cd ${place}; exec zsh -f`)
  terminal.type(`PS1='$ '; ringtap() { $=R "$@" }; autoload -U compinit; compinit -D -u; setopt no_list_beep`)
  terminal.type('source <(ringtap completion zsh); clear')
  await terminal.shows(/^\$\n*$/)
  const complete = async (text: string, ...what: RegExp[]) => {
    terminal.keys('C-u')
    terminal.keys('-l', '--', text)
    terminal.keys('Tab')
    for (const one of what) await terminal.shows(one)
    terminal.keys('C-u', 'C-l')
    await terminal.shows(/^\$\n*$/)
  }
  await complete('ringtap me', /^\$ ringtap merge$/m)
  await complete('ringtap ', /^capture +-- print packets, or record them/m, /^doctor +-- check whether/m, /^help +-- /m)
  await complete('ringtap top --b', /^\$ ringtap top --by=?$/m)
  await complete('ringtap top --by ho', /^\$ ringtap top --by host$/m)
  await complete('ringtap explain l', /^\$ ringtap explain lo$/m)
  await complete('ringtap -i l', /^\$ ringtap -i lo$/m)
  await complete('ringtap read a', /^\$ ringtap read a\\ b\.pcap$/m)
  await complete(
    'ringtap convert --',
    /^--damaged +-- what to do with a damaged input/m,
    /^--file-size +-- begin another/m,
  )
})

t.test('the manual page has every command and option, and shows without a warning', async (t) => {
  const page = path.join(path.dirname(command), '..', 'man', 'ringtap.1')
  t.equal(run('mandoc', ['-Tlint', page]), '')
  const text = run('mandoc', ['-Tascii', '-O', 'width=200', page]).split(/.[\b]/).join('')
  for (const name of commands.filter((one) => one !== 'help' && one !== 'merge')) {
    const section = text.split(/^ {3}(?=[a-z])/m).find((one) => new RegExp(`^${name}\\b`).test(one))
    t.ok(section, name)
    for (const flag of flags(name).filter((flag) => flag !== '--help' && flag !== '-h'))
      t.match(section, new RegExp(`^ {7}(.*, )?${flag}( |,|$)`, 'm'), `${name} ${flag}`)
  }
  t.match(text, /^EXIT STATUS\n {7}0 {6}Done/m)
  const manifest = JSON.parse(readFileSync(path.join(path.dirname(command), '..', '..', '..', 'package.json'), 'utf8'))
  t.equal(manifest.man, './dist/cjs/man/ringtap.1')
  for (const [name, file] of Object.entries({ bash: 'ringtap', zsh: '_ringtap', fish: 'ringtap.fish' }))
    t.equal(
      readFileSync(path.join(path.dirname(command), '..', 'completions', file), 'utf8'),
      readFileSync(scripts[name]!, 'utf8'),
      'the package has the same script',
    )
})
