import type { Command } from 'commander'
import { extraOf } from './command-help.js'
import { exitCodes } from './exit-codes.js'
import { type CommandSurface, type OptionSurface, surfaceOf } from './surface.js'

/** When the texts of this file were changed last. */
const revised = '2026-11-28'

const description = `Without a command, or with only options and the words of a filter, it captures: it prints a line per packet of every \
interface of the machine, those included that appear while it runs. The letters of options are those of tcpdump where the meaning is \
the same. Ctrl-C ends a capture and prints what became of the packets: received, delivered, lost, and why.`

const environment: readonly (readonly [string, string])[] = [
  ['NO_COLOR', 'If it is set and not empty, nothing is coloured.'],
  ['TERM', 'On a terminal of the type dumb nothing is coloured, and top prints tables.'],
  ['TZ', 'The time zone of the times of packets.'],
]

/** The manual page, ringtap(1), in the macros of man(7). */
export function manPage(root: Command, version: string): string {
  const commands = surfaceOf(root)
  return [
    `.TH RINGTAP 1 ${revised} ${quoted(`ringtap ${version}`)} ${quoted('User Commands')}`,
    '.SH NAME',
    'ringtap \\- capture, read, show and send packets',
    '.SH SYNOPSIS',
    '.B ringtap',
    `.RI [ command "] [" options "] [" filter ...]`,
    '.SH DESCRIPTION',
    prose(root.description()),
    '.PP',
    prose(description),
    '.PP',
    'A filter is an expression as of',
    '.BR pcap\\-filter (7),',
    'given as words after the options or with',
    '.BR \\-f .',
    '.SH COMMANDS',
    ...commands.flatMap((command, i) => commandSection(command, root.commands[i]!)),
    '.SH EXIT STATUS',
    ...exitCodes.flatMap(([code, text]) => ['.TP', `.B ${code}`, prose(sentence(text))]),
    '.SH ENVIRONMENT',
    ...environment.flatMap(([name, text]) => ['.TP', `.B ${escaped(name)}`, prose(text)]),
    '.SH SEE ALSO',
    '.BR tcpdump (8),',
    '.BR pcap\\-filter (7),',
    '.BR capabilities (7),',
    '.BR packet (7)',
    '',
  ].join('\n')
}

function commandSection(surface: CommandSurface, command: Command): string[] {
  const { notes, examples } = extraOf(command)
  const names = [surface.name, ...surface.aliases].join(', ')
  return [
    `.SS ${quoted(names)}`,
    `.B ringtap ${escaped(surface.name)}`,
    `.I ${quoted(surface.usage)}`,
    '.PP',
    prose(sentence(surface.description)),
    ...surface.options.filter(({ long }) => long !== '--help').flatMap(optionItem),
    ...notes.flatMap((note) => ['.PP', prose(note)]),
    ...(examples.length > 0 ? ['.PP', examples.length > 1 ? 'Examples:' : 'Example:'] : []),
    ...examples.flatMap(([line, what]) => ['.TP', `.B ${quoted(line)}`, what === '' ? '\\&' : prose(sentence(what))]),
  ]
}

function optionItem({ short, long, value, description }: OptionSurface): string[] {
  const flags = [short, long].filter((flag) => flag !== undefined).map((flag) => `\\fB${escaped(flag)}\\fR`)
  const argument = value ? ` \\fI${escaped(value.name)}\\fR` : ''
  const choices = value && value.choices.length > 0 ? ` One of: ${value.choices.join(', ')}.` : ''
  return ['.TP', `${flags.join(', ')}${argument}`, prose(sentence(description) + choices)]
}

/** Text with what roff would interpret escaped, without line feeds. */
function escaped(text: string): string {
  const special: Readonly<Record<string, string>> = {
    '\\': '\\e',
    '-': '\\-',
    '^': '\\(ha',
    '~': '\\(ti',
    "'": '\\(aq',
    '`': '\\(ga',
    '…': '...',
  }
  return text.replace(/[\\^~'`…-]/g, (character) => special[character]!)
}

/** A paragraph, in lines as long as editors like them. */
function prose(text: string): string {
  const lines = escaped(text)
    .replace(/(?=\S)(.{1,78})(?:\s+|$)/g, '$1\n')
    .trimEnd()
    .split('\n')
  // A line that begins with a dot would be a request.
  return lines.map((line) => line.replace(/^\./, '\\&.')).join('\n')
}

/** An argument of a macro. */
const quoted = (text: string) => `"${escaped(text).replaceAll('"', '\\(dq')}"`

/** A fragment of the help as a sentence. */
function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.:]$/.test(whole) ? whole : `${whole}.`
}
