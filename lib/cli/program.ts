import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { captureCommand, readCommand } from './capture.js'
import { convertCommand } from './convert.js'
import { doctorCommand } from './doctor.js'
import { exitCodesHelp } from './exit-codes.js'
import { flowsCommand } from './flows.js'
import { explainCommand, filterCommand, hexdumpCommand, interfacesCommand } from './inspect.js'
import { replayCommand, sendCommand } from './send.js'
import { statsCommand } from './stats.js'

const filterHelp = 'a filter as of tcpdump'

/** Collects the values of an option that may be repeated. */
const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

/** A parser of whole numbers from `low` on. */
function wholeNumber(low: number) {
  return (text: string) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < low || !Number.isSafeInteger(value))
      throw new InvalidArgumentError(`It must be a whole number from ${low} on.`)
    return value
  }
}

/** An option without a value that may be repeated; its value is how often. */
function counted(command: Command, flags: string, name: string, description: string): void {
  const option = new Option(flags, description)
  command.addOption(option)
  command.setOptionValue(name, 0)
  command.on(`option:${option.name()}`, () => {
    const before = command.getOptionValue(`${name}#`) ?? 0
    command.setOptionValue(`${name}#`, before + 1)
    command.setOptionValue(name, before + 1)
  })
}

function addExamples(command: Command, lines: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...lines.map(([line]) => line.length))
  const text = lines.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`).join('\n')
  return command.addHelpText('after', `\nExamples:\n${text}`)
}

/** The options that say which packets are shown, and how. */
function addViewOptions(command: Command): Command {
  command
    .option('-i, --interface <pattern>', 'only interfaces that match this expression (egrep); may be repeated', collect)
    .option('-x, --exclude <pattern>', 'not these; wins over -i; may be repeated', collect)
    .option('-f, --filter <filter>', 'a filter as of tcpdump (pcap-filter); or as words after the options')
    .option('-c, --count <n>', 'end after n packets', wholeNumber(1))
    .option('-e, --link', "show the link layer's addresses")
    .option('-v, --verbose', 'show more of the IP header, wrong checksums, and interfaces that come and go')
    .option('--nano', 'show times to the nanosecond')
    .option('--json', 'a JSON object per packet')
    .option('-n', 'accepted as with tcpdump: names are never looked up')
    .option('-l', 'accepted as with tcpdump: lines appear at once')
  counted(command, '-X, --hex', 'hex', 'show the bytes too; twice: with the link layer')
  counted(command, '-t, --time', 'time', 'no time; -tt: seconds since 1970; -tttt: with the date')
  return command
}

function captureProgram(): Command {
  const command = addViewOptions(new Command('capture'))
    .description('print packets, or record them with -w; the default command')
    .argument('[filter...]', filterHelp)
    .option('-s, --snapshot-length <n>', 'keep n bytes of each packet', wholeNumber(1))
    .addOption(new Option('-Q, --direction <direction>', 'of the packets').choices(['in', 'out', 'inout']))
    .option('-w, --write <file>', 'record into a file, pcapng unless it ends in .pcap; - is standard output')
    .option('-C, --file-size <n>', 'with -w: begin another file after n million bytes', wholeNumber(1))
    .option('-G, --seconds <n>', 'with -w: begin another file after n seconds', wholeNumber(1))
    .option('-W, --files <n>', 'with -C or -G: keep the newest n files', wholeNumber(1))
    .option('-r, --read <file>', 'read a file instead, as "ringtap read" does')
    .option('--loopback', 'include loopback; naming it with -i does too')
    .option('--no-hotplug', 'leave out interfaces that appear later')
    .option('--promiscuous', 'ask the interfaces for packets to other hosts')
    .option('--dedupe', 'each packet once, where several interfaces see it')
    .option('--netns <path>', 'capture in another network namespace')
    .option('-B, --buffer <n>', 'KiB of memory for the ring', wholeNumber(1))
    .addOption(new Option('--backend <backend>', 'how packets are captured').choices(['ring', 'pcap']))
    .action(captureCommand)
  return addExamples(command, [
    ['ringtap', 'all interfaces, also new ones'],
    ["ringtap -i '^eth' tcp port 443", 'HTTPS on eth0, eth1 …'],
    ["ringtap -x '^veth' -c 100 -X", 'a hundred packets with their bytes'],
    ['ringtap --json udp port 53', 'DNS packets as JSON lines'],
    ['ringtap -w trace.pcapng -C 100 -W 10', 'record; keep ten files of 100 MB'],
    ['ringtap -w - | tshark -r -', 'into another program'],
  ])
}

function readProgram(): Command {
  const command = new Command('read')
    .description('print the packets of a pcap or pcapng file, plain, gzip or zstd')
    .addArgument(new Argument('<file>', 'the file; - is standard input'))
    .argument('[filter...]', filterHelp)
  addViewOptions(command).action(readCommand)
  return addExamples(command, [
    ['ringtap read trace.pcapng', 'all of it'],
    ['ringtap read trace.pcap.zst tcp port 80 -X', 'HTTP, with the bytes'],
    ['zstdcat x.zst | ringtap read -', 'from another program'],
  ])
}

function flowsProgram(): Command {
  const command = new Command('flows')
    .description('print a line per flow when it ends')
    .argument('[filter...]', filterHelp)
    .option('-r, --read <file>', 'the flows of a file; - is standard input')
    .option('-i, --interface <pattern>', 'only interfaces that match; may be repeated', collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .addOption(new Option('--format <format>', 'of the lines').choices(['text', 'zeek', 'ecs', 'json']).default('text'))
    .option('--json', 'the same as --format json')
    .option('--idle <ms>', 'a flow ends after this time without packets', wholeNumber(1))
    .option('--loopback', 'include loopback')
    .option('--no-hotplug', 'leave out interfaces that appear later')
    .action(flowsCommand)
  return addExamples(command, [
    ['ringtap flows', 'live, as text'],
    ['ringtap flows --format zeek > conn.log', "as lines of Zeek's conn.log"],
    ['ringtap flows -r trace.pcapng --format ecs', 'of a file, in the Elastic Common Schema'],
  ])
}

function convertProgram(): Command {
  const command = new Command('convert')
    .alias('merge')
    .description('merge files by time, filter, split, and convert between pcap and pcapng')
    .argument('<files...>', 'the inputs, and the output as the last')
    .option('-i, --interface <pattern>', 'only interfaces that match; may be repeated', collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .option('-C, --file-size <n>', 'begin another file after n million bytes', wholeNumber(1))
    .option('-G, --seconds <n>', 'begin another file after n seconds', wholeNumber(1))
    .option('-c, --count <n>', 'begin another file after n packets', wholeNumber(1))
    .addOption(new Option('--format <format>', 'of the output').choices(['pcap', 'pcapng']))
    .addOption(new Option('--damaged <way>', 'what to do with a damaged input').choices(['fail', 'keep']))
    .action(convertCommand)
  return addExamples(command, [
    ['ringtap merge a.pcap b.pcapng all.pcapng', 'by time'],
    ["ringtap convert -f 'udp port 53' x.pcapng dns.pcap", 'a part, as pcap'],
    ['ringtap convert -C 100 big.pcapng part.pcapng', 'into files of 100 MB'],
  ])
}

function interfacesProgram(): Command {
  const command = new Command('interfaces')
    .description('list the interfaces, or (--watch) their changes')
    .option('-w, --watch', 'print changes as they happen')
    .option('--json', 'a JSON object per line')
    .option('--netns <path>', 'of another network namespace')
    .action(interfacesCommand)
  return addExamples(command, [
    ['ringtap interfaces', 'those of now'],
    ['ringtap interfaces --watch --json', 'every change as JSON'],
  ])
}

function explainProgram(): Command {
  const command = new Command('explain')
    .description('show which interfaces patterns select, and which pattern decides')
    .argument('[patterns...]', 'the patterns of -i')
    .option('-x, --exclude <pattern>', 'the patterns of -x; may be repeated', collect)
    .option('--loopback', 'with loopback')
    .option('--json', 'a JSON object per line')
    .action(explainCommand)
  return addExamples(command, [["ringtap explain '^eth' -x 'eth7$'", '+ is selected, - is not']])
}

function filterProgram(): Command {
  const command = new Command('filter')
    .description('list the BPF program of a filter, as tcpdump -d does')
    .argument('<filter...>', filterHelp)
    .addOption(new Option('--format <format>', 'of the list').choices(['assembly', 'c', 'decimal']))
    .option('-y, --link-type <n>', 'the link type, a number; 1 is Ethernet', wholeNumber(0))
    .option('-s, --snapshot-length <n>', 'bytes that the program returns', wholeNumber(1))
    .option('--live', 'as for a capture, with the extensions of the kernel')
    .action(filterCommand)
  return addExamples(command, [
    ['ringtap filter tcp port 80', ''],
    ["ringtap filter --live 'vlan 5'", ''],
  ])
}

function hexdumpProgram(): Command {
  const command = new Command('hexdump')
    .description('print the bytes of a file as hexdump -C does')
    .argument('<file>', 'the file; - is standard input')
    .option('-s, --skip <n>', 'begin after n bytes', wholeNumber(0))
    .option('-n, --length <n>', 'at most n bytes', wholeNumber(1))
    .option('--no-squeeze', 'print repeated lines too')
    .action(hexdumpCommand)
  return addExamples(command, [['ringtap hexdump -n 64 trace.pcapng', 'the first 64 bytes']])
}

function doctorProgram(): Command {
  const command = new Command('doctor')
    .description('check whether this process can capture; if not, show what is missing and how to grant it')
    .option('--json', 'as JSON')
    .action(doctorCommand)
    .addHelpText('after', '\nThe exit code is 0 if it can capture, and 3 if not.')
  return addExamples(command, [
    ['ringtap doctor', ''],
    ['sudo ringtap doctor', 'as root'],
  ])
}

function replayProgram(): Command {
  const command = new Command('replay')
    .description("send a file's packets at their own times")
    .argument('<file>', 'a pcap or pcapng file')
    .requiredOption('-i, --interface <name>', 'the interface to send on')
    .option('-f, --filter <filter>', filterHelp)
    .option('--speed <factor>', 'times as fast', positiveNumber)
    .option('--fastest', 'as fast as possible')
    .option('--loop <n>', 'so many times', wholeNumber(1))
    .option('--netns <path>', 'in another network namespace')
    .action(replayCommand)
  return addExamples(command, [['ringtap replay -i eth0 --speed 2 trace.pcapng', 'twice as fast']])
}

function sendProgram(): Command {
  const command = new Command('send')
    .description('send frames at once')
    .argument('[frames...]', 'frames in hex; colons and spaces may separate the bytes')
    .requiredOption('-i, --interface <name>', 'the interface to send on')
    .option('-r, --read <file>', 'the packets of a file; - is standard input')
    .option('--netns <path>', 'in another network namespace')
    .action(sendCommand)
  return addExamples(command, [["ringtap send -i eth0 'ff:ff:ff:ff:ff:ff 02:00:00:00:00:01 88:b5 01'", 'a frame']])
}

function statsProgram(): Command {
  const command = new Command('stats')
    .description('print what a file contains, in numbers')
    .argument('<file>', 'the file; - is standard input')
    .argument('[filter...]', filterHelp)
    .option('--json', 'as JSON')
    .action(statsCommand)
  return addExamples(command, [['ringtap stats trace.pcapng tcp', 'of its TCP packets']])
}

function positiveNumber(text: string): number {
  const value = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || !(value > 0)) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

/** The parser of the whole command line: the one source of its help. */
export function program(version: string): Command {
  const root = new Command('ringtap')
    .description('Captures packets on every interface of this machine, those included that appear later.')
    .usage('[command] [options] [filter...]')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'explain a command')
  const commands = [
    captureProgram(),
    readProgram(),
    convertProgram(),
    flowsProgram(),
    statsProgram(),
    interfacesProgram(),
    explainProgram(),
    filterProgram(),
    hexdumpProgram(),
    replayProgram(),
    sendProgram(),
    doctorProgram(),
  ]
  for (const command of commands) root.addCommand(command, { isDefault: command.name() === 'capture' })
  const capture = commands[0]!
  root.addHelpText('after', () => `\n${captureHelp(capture)}\n\n${exitCodesHelp}`)
  return root
}

/** The options of the default command, for the help of the whole. */
function captureHelp(capture: Command): string {
  const help = capture.createHelp()
  const options = help.visibleOptions(capture).filter((option) => option.long !== '--help')
  const width = Math.max(...options.map((option) => help.optionTerm(option).length))
  const lines = options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  )
  return `Options of capture:\n${lines.join('\n')}`
}
