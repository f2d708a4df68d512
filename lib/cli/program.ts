import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { captureCommand, readCommand } from './capture.js'
import { exitCodesHelp } from './exit-codes.js'

/** Collects the values of an option that may be repeated. */
export const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

/** A parser of whole numbers from `low` on. */
export function wholeNumber(low: number) {
  return (text: string) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < low || !Number.isSafeInteger(value))
      throw new InvalidArgumentError(`It must be a whole number from ${low} on.`)
    return value
  }
}

/** An option without a value that may be repeated; its value is how often. */
export function counted(command: Command, flags: string, name: string, description: string): void {
  const option = new Option(flags, description)
  command.addOption(option)
  command.setOptionValue(name, 0)
  command.on(`option:${option.name()}`, () => {
    const before = command.getOptionValue(`${name}#`) ?? 0
    command.setOptionValue(`${name}#`, before + 1)
    command.setOptionValue(name, before + 1)
  })
}

export function addExamples(command: Command, lines: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...lines.map(([line]) => line.length))
  const text = lines.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`).join('\n')
  return command.addHelpText('after', `\nExamples:\n${text}`)
}

/** The options that say which packets are shown, and how. */
export function addViewOptions(command: Command): Command {
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
    .argument('[filter...]', 'a filter as of tcpdump')
    .option('-s, --snapshot-length <n>', 'keep n bytes of each packet', wholeNumber(1))
    .option('-Q, --direction <direction>', 'in, out or inout')
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
  const direction = command.options.find((option) => option.long === '--direction')
  direction?.choices(['in', 'out', 'inout'])
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
    .argument('[filter...]', 'a filter as of tcpdump')
  addViewOptions(command).action(readCommand)
  return addExamples(command, [
    ['ringtap read trace.pcapng', 'all of it'],
    ['ringtap read trace.pcap.zst tcp port 80 -X', 'HTTP, with the bytes'],
    ['zstdcat x.zst | ringtap read -', 'from another program'],
  ])
}

/** The parser of the whole command line: the one source of its help. */
export function program(version: string): Command {
  const root = new Command('ringtap')
    .description('Captures packets on every interface of this machine, those included that appear later.')
    .usage('[command] [options] [filter...]')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'explain a command')
  const commands = [captureProgram(), readProgram()]
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
