/** The unit of -C, as tcpdump has it. */
export const fileSizeUnit = 1_000_000

/** The format that a file's name stands for. */
export const formatOf = (file: string) => (/\.(pcap|cap)$/.test(file) ? 'pcap' : 'pcapng')
