/** An option of this library, and the names that other capture libraries and tools have for it. */
interface Foreign {
  /** In lower case, without `-` and `_`, separated by spaces. */
  readonly names: string
  /** The entry is for objects of options that have this one. */
  readonly among: string
  readonly instead: string
}

const foreign: readonly Foreign[] = [
  {
    names: 'snaplen snaplength snapshotlen snapshot capturelength caplen truncate',
    among: 'snapshotLength',
    instead: 'snapshotLength',
  },
  { names: 'promisc promiscmode promiscuousmode ispromiscuous', among: 'promiscuous', instead: 'promiscuous' },
  {
    names: 'device devices dev devicename iface ifaces interface interfacename ifname nic adapter',
    among: 'interfaces',
    instead: 'interfaces',
  },
  {
    names: 'include includes exclude excludes loopback hotplug',
    among: 'interfaces',
    instead: 'interfaces: { include, exclude, loopback, hotplug }',
  },
  { names: 'bpf bpffilter capturefilter pcapfilter expression', among: 'filter', instead: 'filter' },
  {
    names: 'buffersize buffer bufsize bufferlength packetbuffersize ringsize ringbuffer ringbuffersize memory',
    among: 'ring',
    instead: 'ring: { memory }, in bytes',
  },
  { names: 'blocksize blocks blockcount numblocks framesize', among: 'ring', instead: 'ring: { memory, blockSize }' },
  { names: 'size buffersize bytes', among: 'blockSize', instead: 'memory' },
  { names: 'blocks blockcount numblocks', among: 'blockSize', instead: 'memory and blockSize' },
  {
    names:
      'timeout timeoutms readtimeout toms buffertimeout packetbuffertimeout packetbuffertimeoutms polltimeout ' +
      'blocktimeout retiretimeout maxdelay',
    among: 'chunk',
    instead: 'chunk: { maxDelay }, the milliseconds after which packets are handed over',
  },
  { names: 'timeout timeoutms retiretimeout blocktimeout', among: 'maxDelay', instead: 'maxDelay' },
  { names: 'immediate immediatemode', among: 'chunk', instead: 'chunk: { maxDelay: 1 }' },
  { names: 'fanout fanoutsize threads workers queues', among: 'ring', instead: 'ring: { count }' },
  { names: 'dedup deduplicate deduplication', among: 'dedupe', instead: 'dedupe' },
  { names: 'inout packetdirection', among: 'direction', instead: 'direction' },
  { names: 'namespace ns networknamespace', among: 'netns', instead: 'netns' },
  { names: 'abort abortsignal', among: 'signal', instead: 'signal' },
  { names: 'offline pcapfile readfile', among: 'promiscuous', instead: 'openFile(path), which reads savefiles' },
  {
    names: 'rfmon monitor monitormode',
    among: 'promiscuous',
    instead: 'no option: a device is put into monitor mode with iw(8)',
  },
]

const plain = (name: string) => name.toLowerCase().replaceAll(/[-_]/g, '')

/**
 * What to write instead of an unknown option: the option that differs from it in case, hyphens and underscores only, or
 * the one that it denotes elsewhere.
 *
 * @param key The unknown option, without the name of its object.
 * @param known The options of the same object.
 * @returns `undefined` if there is no such option.
 * @internal
 */
export function insteadOf(key: string, known: readonly string[]): string | undefined {
  const name = plain(key)
  return (
    known.find((one) => plain(one) === name) ??
    foreign.find(({ names, among }) => known.includes(among) && names.split(' ').includes(name))?.instead
  )
}
