// The options that say how interfaces are captured, for every command whose packets go somewhere.
import { type Command, Option } from 'commander'
import { byteSize, processorList, share, sliceValue, wholeNumber } from './option-values.js'

/** See {@link captureOptions}, which takes their values. */
export function addLiveOptions(command: Command): Command {
  return command
    .option('-s, --snapshot-length <n>', 'keep n bytes of each packet', wholeNumber(1))
    .addOption(
      new Option('-Q, --direction <direction>', 'only packets in this direction').choices(['in', 'out', 'inout']),
    )
    .option('--loopback', 'include loopback; naming it with -i does too')
    .option('--no-hotplug', 'leave out interfaces that appear later')
    .option('--promiscuous', 'ask the interfaces for packets to other hosts')
    .option('--dedupe', 'each packet once, where several interfaces see it')
    .option('--sample <share>', 'only this share of all flows, such as 1/8, each whole', share)
    .option('--sample-seed <n>', 'with --sample: another choice of flows for each number; default 0', wholeNumber(0))
    .option('--slice <what>', 'cut packets behind their headers (headers, l4), or after n bytes', sliceValue)
    .option('--cutoff <size>', 'only the first bytes of each connection, such as 10kB', byteSize)
    .option('--netns <path>', 'capture in another network namespace')
    .option('-B, --buffer <n>', 'KiB of memory for the ring', wholeNumber(1))
    .option('--ring-cpus <list>', 'a ring, and its thread, on each of these processors: 0-3,8; or auto', processorList)
    .addOption(
      new Option('--ring-mode <mode>', 'rings share packets by flow (hash) or by processor (cpu)').choices([
        'hash',
        'cpu',
      ]),
    )
    .addOption(new Option('--backend <backend>', 'how packets are captured').choices(['ring', 'pcap']))
}
