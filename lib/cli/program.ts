import { Argument, Command, Option } from 'commander'
import { captureCommand, readCommand } from './capture.js'
import { addExamples, addNote } from './command-help.js'
import { completionCommand, shellNames } from './completion.js'
import { convertCommand } from './convert.js'
import { doctorCommand } from './doctor.js'
import { exitCodesHelp } from './exit-codes.js'
import { extcapCommand } from './extcap.js'
import { flowsCommand } from './flows.js'
import { explainCommand, filterCommand, hexdumpCommand, interfacesCommand } from './inspect.js'
import { addLiveOptions } from './live-options.js'
import { checkScope } from './option-scope.js'
import {
  collect,
  counted,
  filterHelp,
  intervalSeconds,
  liveInterfaceHelp,
  positiveNumber,
  savedInterfaceHelp,
  wholeNumber,
} from './option-values.js'
import { extractProgram, flightProgram, serveProgram } from './record-programs.js'
import { replayCommand, sendCommand } from './send.js'
import { statsCommand } from './stats.js'
import { topCommand } from './top.js'
import { groupings, orders } from './top-counts.js'

/** The options that say which packets are shown, and how. */
function addViewOptions(command: Command, interfaceHelp: string): Command {
  command
    .option('-i, --interface <pattern>', interfaceHelp, collect)
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
  const command = addViewOptions(new Command('capture'), liveInterfaceHelp)
    .description('print packets, or record them with -w; the default command')
    .argument('[filter...]', filterHelp)
    .option(
      '-w, --write <file>',
      'record into a file or a named pipe, pcapng unless it is named .pcap; - is standard output',
    )
    .option('-C, --file-size <n>', 'with -w: begin another file after n million bytes', wholeNumber(1))
    .option('-G, --seconds <n>', 'with -w: begin another file after n seconds', wholeNumber(1))
    .option('-W, --files <n>', 'with -C or -G: keep the newest n files', wholeNumber(1))
    .option('-z, --command <command>', 'with -w: run "COMMAND FILE", without a shell, on each finished file')
    .addOption(
      new Option('--compress <format>', 'with -w: compress; a FILE that ends in .gz or .zst is anyway').choices([
        'gzip',
        'zstd',
      ]),
    )
    .option('-r, --read <file>', 'read a file instead, as "ringtap read" does; with -w: copy its packets')
    .option('--owners', 'whose packets are: processes and containers at both ends; with -w: as comments')
    .hook('preAction', checkScope)
    .action(captureCommand)
  addLiveOptions(command)
  return addExamples(command, [
    ['ringtap', 'all interfaces, also new ones'],
    ['ringtap -i eth0 udp', 'UDP on eth0, and not on veth0'],
    ["ringtap -i '^eth' tcp port 443", 'HTTPS on eth0, eth1 …'],
    ["ringtap -x '^veth' -c 100 -X", 'a hundred packets, with bytes'],
    ['ringtap --json udp port 53', 'DNS packets as JSON lines'],
    ['ringtap --owners tcp', 'with their processes'],
    ['ringtap -w trace.pcapng -C 100 -W 10', 'keep ten files of 100 MB'],
    ['ringtap -w x.pcapng --owners', 'processes in the file'],
    ['ringtap -w trace.pcapng.zst -G 60', 'a compressed file each minute'],
    ['ringtap -w trace.pcapng -C 100 -z ./upload', 'each file to a program'],
    ['ringtap -w flows.pcapng --sample 1/8 --slice l4', 'headers of an eighth'],
    ['ringtap -w - | tshark -r -', 'into another program'],
  ])
}

function readProgram(): Command {
  const command = new Command('read')
    .description('print the packets of a pcap or pcapng file, plain, gzip or zstd')
    .addArgument(new Argument('<file>', 'the file; - is standard input'))
    .argument('[filter...]', filterHelp)
  addViewOptions(command, savedInterfaceHelp).action(readCommand)
  return addExamples(command, [
    ['ringtap read trace.pcapng', 'all of it'],
    ['ringtap read trace.pcap.zst tcp port 80 -X', 'HTTP, with the bytes'],
    ['zstdcat x.zst | ringtap read -', 'from another program'],
  ])
}

function topProgram(): Command {
  const command = new Command('top')
    .description('show the largest flows, hosts, ports, interfaces, containers or processes, live or of a file')
    .argument('[filter...]', filterHelp)
    .addOption(new Option('-b, --by <what>', 'what the rows are').choices(groupings).default('flow'))
    .addOption(new Option('-S, --sort <order>', 'the largest first; default rate, of a file bytes').choices(orders))
    .option('-r, --read <file>', 'of a file; - is standard input')
    .option('-i, --interface <pattern>', liveInterfaceHelp, collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .addOption(
      new Option('--interval <seconds>', 'the time between two screens or tables')
        .argParser(intervalSeconds)
        .default(1),
    )
    .option('--once', 'print one table, after the first interval or at the end of the file')
    .option('-n, --rows <n>', 'rows of a table', wholeNumber(1), 20)
    .option('--json', 'a JSON object per table')
    .addOption(
      new Option('-Q, --direction <direction>', 'only packets in this direction').choices(['in', 'out', 'inout']),
    )
    .option('--loopback', 'include loopback; naming it with -i does too')
    .option('--no-hotplug', 'leave out interfaces that appear later')
    .option('--dedupe', 'each packet once, where several interfaces see it')
    .option('--netns <path>', 'in another network namespace')
    .hook('preAction', checkScope)
    .action(topCommand)
  addNote(
    command,
    'On a terminal it takes the whole screen. Keys: q ends it; g, or f h o i n w, choose the rows (flow, host, port, interface, container, process); ' +
      's, or r b p, the order (rate, bytes, packets); space pauses, c clears the counts, arrows and page keys scroll, Ctrl-Z ' +
      'suspends. Elsewhere, and with --once or --json, it prints tables: one for each interval, one for a file.',
  )
  addNote(
    command,
    'Bytes are those of IP packets without the link layer; by interface and container, of whole packets. A packet counts at each interface ' +
      'that sees it, unless --dedupe is given; by process, a flow counts at both of its ends that are on this host. Rates are those of the last interval, of a file those of all the time that it ' +
      'covers.',
  )
  return addExamples(command, [
    ['ringtap top', 'flows, by rate'],
    ['ringtap top --by host -i eth0 not port 22', 'the hosts on eth0'],
    ['ringtap top --by container', 'by far ends of veths'],
    ['ringtap top --by process --loopback', 'who sends and receives'],
    ['ringtap top --by port --once --interval 10', 'a table after ten seconds'],
    ['ringtap top -r trace.pcapng --by host --once -n 10', 'the ten largest hosts'],
  ])
}

function flowsProgram(): Command {
  const command = new Command('flows')
    .description('print a line per flow when it ends')
    .argument('[filter...]', filterHelp)
    .option('-r, --read <file>', 'the flows of a file; - is standard input')
    .option('-i, --interface <pattern>', liveInterfaceHelp, collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .addOption(
      new Option('--format <format>', 'the form of the lines').choices(['text', 'zeek', 'ecs', 'json']).default('text'),
    )
    .option('--json', 'the same as --format json')
    .option('--idle <ms>', 'a flow ends after this time without packets', wholeNumber(1))
    .option('--loopback', 'include loopback')
    .option('--no-hotplug', 'leave out interfaces that appear later')
    .hook('preAction', checkScope)
    .action(flowsCommand)
  return addExamples(command, [
    ['ringtap flows', 'live, as text'],
    ['ringtap flows --format zeek > conn.log', "as lines of Zeek's conn.log"],
    ['ringtap flows -r trace.pcapng --format ecs', 'in the Elastic Common Schema'],
  ])
}

function convertProgram(): Command {
  const command = new Command('convert')
    .alias('merge')
    .description('merge files by time, filter, split, and convert between pcap and pcapng')
    .argument('<files...>', 'the inputs, and the output as the last')
    .option('-i, --interface <pattern>', savedInterfaceHelp, collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .option('-C, --file-size <n>', 'begin another file after n million bytes', wholeNumber(1))
    .option('-G, --seconds <n>', 'begin another file after n seconds', wholeNumber(1))
    .option('-c, --count <n>', 'begin another file after n packets', wholeNumber(1))
    .addOption(new Option('--format <format>', 'the format of the output').choices(['pcap', 'pcapng']))
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
    .argument('[patterns...]', 'the patterns of -i: names of interfaces, or else expressions (egrep)')
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
    .addOption(new Option('--format <format>', 'the form of the list').choices(['assembly', 'c', 'decimal']))
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
  addNote(command, 'The exit code is 0 if it can capture, and 3 if not.')
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
    .option('--speed <factor>', 'multiply the speed by this factor', positiveNumber)
    .option('--fastest', 'as fast as possible')
    .option('--loop <n>', 'send the file n times', wholeNumber(1))
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
  return addExamples(command, [["ringtap send -i eth0 'ffffffffffff 020000000001 88b5 01'", 'a frame']])
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

function extcapProgram(): Command {
  const command = new Command('extcap')
    .description("serve Wireshark's dialogue of interfaces (extcap): all interfaces, here or over ssh")
    .allowUnknownOption()
    .allowExcessArguments()
    .option('--extcap-interfaces', 'list the interfaces')
    .option('--extcap-interface <interface>', 'the interface of the other requests')
    .option('--extcap-dlts', 'list the link types')
    .option('--extcap-config', "list the dialogue's fields")
    .option('--extcap-capture-filter <filter>', 'the filter of the capture; alone: check it')
    .option('--capture', 'capture into a pipe')
    .option('--fifo <path>', 'the pipe')
    .option('-i, --interface <pattern>', liveInterfaceHelp)
    .option('-x, --exclude <pattern>', 'not these')
    .option('--loopback', 'include loopback')
    .option('--dedupe', 'each packet once, where several interfaces see it')
    .option('-s, --snapshot-length <n>', 'keep n bytes of each packet', wholeNumber(1))
    .option('--netns <path>', 'capture in another network namespace')
    .option('--remote-host <host>', 'with ringtap-ssh: HOST or USER@HOST')
    .option('--remote-port <n>', 'its port of ssh', wholeNumber(1))
    .option('--remote-command <command>', 'the command there', 'ringtap')
    .action(extcapCommand)
  addNote(
    command,
    'Wireshark runs this itself, once the command is in its folder of extcap programs: ' +
      'ln -s "$(command -v ringtap)" FOLDER/ringtap, where FOLDER is the "Personal Extcap path" of "tshark -G folders". The ' +
      'interfaces "ringtap" and "ringtap-ssh" are then in its list.',
  )
  return addExamples(command, [['ringtap extcap --extcap-interfaces', 'what Wireshark lists']])
}

function completionProgram(): Command {
  const command = new Command('completion')
    .description('print a script with which the shell completes commands, options, interfaces and files')
    .addArgument(new Argument('<shell>', 'whose script').choices(shellNames))
    .action(completionCommand)
  return addExamples(command, [
    ['source <(ringtap completion bash)', 'in ~/.bashrc'],
    ['source <(ringtap completion zsh)', 'in ~/.zshrc, after compinit'],
    ['ringtap completion fish | source', 'in ~/.config/fish/config.fish'],
  ])
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
    serveProgram(),
    flightProgram(),
    extractProgram(),
    topProgram(),
    flowsProgram(),
    statsProgram(),
    interfacesProgram(),
    explainProgram(),
    filterProgram(),
    hexdumpProgram(),
    replayProgram(),
    sendProgram(),
    doctorProgram(),
    extcapProgram(),
    completionProgram(),
  ]
  for (const command of commands) root.addCommand(command, { isDefault: command.name() === 'capture' })
  const capture = commands[0]!
  root.addHelpText('after', () => `\n${captureHelp(capture)}\n\n${exitCodesHelp}`)
  return root
}

/** The options of the default command, for the help of the whole. */
function captureHelp(capture: Command): string {
  const help = capture.createHelp()
  help.prepareContext({ helpWidth: (process.stdout.isTTY && process.stdout.columns) || 80 })
  const options = help.visibleOptions(capture).filter((option) => option.long !== '--help')
  const width = Math.max(...options.map((option) => help.optionTerm(option).length))
  const lines = options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  )
  return `Options of capture:\n${lines.join('\n')}`
}
