// The parsers of the commands that record in other ways than into files as packets come.
import { Command, Option } from 'commander'
import { addExamples, addNote } from './command-help.js'
import { extractCommand } from './extract.js'
import { flightCommand } from './flight.js'
import { addLiveOptions } from './live-options.js'
import {
  collect,
  filterHelp,
  liveInterfaceHelp,
  positiveNumber,
  savedInterfaceHelp,
  wholeNumber,
} from './option-values.js'
import { serveCommand } from './serve.js'

/** The options that say what is captured. */
function addCaptureOptions(command: Command): Command {
  command
    .argument('[filter...]', filterHelp)
    .option('-i, --interface <pattern>', liveInterfaceHelp, collect)
    .option('-x, --exclude <pattern>', 'not these; wins over -i; may be repeated', collect)
    .option('-f, --filter <filter>', 'a filter as of tcpdump (pcap-filter); or as words after the options')
    .option('-v, --verbose', 'report interfaces that come and go')
  return addLiveOptions(command)
}

export function serveProgram(): Command {
  const command = addCaptureOptions(new Command('serve'))
    .description('serve the packets over TCP to Wireshark and others (PCAP-over-IP)')
    .addOption(new Option('-p, --port <n>', 'the TCP port; 0: a free one').argParser(wholeNumber(0)).default(57012))
    .addOption(new Option('--host <address>', 'the address to listen on').default('127.0.0.1'))
    .addOption(new Option('--format <format>', 'what readers get').choices(['pcapng', 'pcap']).default('pcapng'))
    .option('--max-readers <n>', 'readers at the same time; default 16', wholeNumber(1))
    .option('--memory <n>', 'MiB for packets that readers have not taken yet; default 64', wholeNumber(1))
    .action(serveCommand)
  addNote(
    command,
    'Each reader gets a whole file that begins when it connects. One that is too slow misses packets, which are counted for it ' +
      'alone; others do not wait. The connections themselves are not captured. There is no authentication: whoever can connect ' +
      'gets the packets, on loopback every user of the machine.',
  )
  return addExamples(command, [
    ['ringtap serve -i eth0 not port 22', 'on 127.0.0.1:57012'],
    ['wireshark -k -i TCP@127.0.0.1:57012', 'a reader'],
    ['ssh -NL 57012:127.0.0.1:57012 root@sensor', 'from another machine'],
  ])
}

export function flightProgram(): Command {
  const command = addCaptureOptions(new Command('flight'))
    .description('keep the newest packets in memory, and write them to files on a signal or a trigger')
    .requiredOption('-w, --write <file>', 'the files of the dumps: the time is added to this name')
    .option('--memory <n>', 'MiB for packets; default 64', wholeNumber(1))
    .option('--seconds <n>', 'drop packets that are older than n seconds', wholeNumber(1))
    .addOption(
      new Option('--compress <format>', 'compress the packets in memory, so that it covers a longer time').choices([
        'gzip',
        'zstd',
      ]),
    )
    .option('--trigger <filter>', 'dump when a packet passes this filter')
    .option(
      '--before <seconds>',
      'of a dump: from this time before its cause; default: all that is held',
      positiveNumber,
    )
    .option('--after <seconds>', 'of a dump: to this time after its cause; default 0', positiveNumber)
    .option('-c, --count <n>', 'end after n dumps', wholeNumber(1))
    .action(flightCommand)
  addNote(
    command,
    'SIGUSR1 writes a dump. The trigger is a filter of its own: its packets need not pass the other one, nor are they in the dump ' +
      'then. While a dump for a trigger waits for its end, further packets cause none.',
  )
  return addExamples(command, [
    ['ringtap flight -w f.pcapng --memory 256', 'by kill -USR1 PID'],
    ["ringtap flight -w f.pcapng --trigger 'tcp[13] & 4 != 0'", 'around each TCP reset'],
  ])
}

export function extractProgram(): Command {
  const command = new Command('extract')
    .description('copy the packets of a span out of the files of a recording')
    .argument('<files...>', 'the files, or their folder')
    .requiredOption('-w, --write <file>', 'the output, pcapng unless it is named .pcap')
    .option('--from <time>', 'packets of this time or later')
    .option('--to <time>', 'packets of this time or earlier')
    .option('-i, --interface <pattern>', savedInterfaceHelp, collect)
    .option('-x, --exclude <pattern>', 'not these; may be repeated', collect)
    .option('-f, --filter <filter>', filterHelp)
    .option('-v, --verbose', 'name the files that are read')
    .action(extractCommand)
  addNote(
    command,
    'A time is a date and time (2026-11-29T08:30:00, local unless it ends in Z or an offset), seconds since 1970, or how long ago ' +
      '(90s, 15m, 2h, 1d). Only files that can have packets of the span are read, by the time of their first packet and that of ' +
      'their last change. In a folder, that includes the files that recordings write to at present, up to their last whole block.',
  )
  return addExamples(command, [
    ['ringtap extract /var/tmp/trace --from 15m -w last.pcapng', 'the last 15 min'],
    ['ringtap extract *.pcapng --from 2026-01-31T08:30 -w x.pcapng', 'from 8:30 on'],
  ])
}
