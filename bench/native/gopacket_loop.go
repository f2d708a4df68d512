// The row of gopacket in bench/dissect/dissect.ts: packets of a savefile in memory, decoded by a DecodingLayerParser into
// layers that are used again, which is gopacket's fastest way.
//
//	gopacket_loop FILE ROUNDS
//
// FILE is a pcap savefile of Ethernet frames with nanoseconds, in little-endian byte order. Prints packets, the seconds of
// processor time of all rounds but the first ones, which warm up, and a sum of what was read, as JSON.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func processorTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "gopacket_loop FILE ROUNDS")
		os.Exit(2)
	}
	file, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	rounds, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	var packets [][]byte
	for at := 24; at+16 <= len(file); {
		end := at + 16 + int(binary.LittleEndian.Uint32(file[at+8:]))
		packets = append(packets, file[at+16:end])
		at = end
	}

	var ethernet layers.Ethernet
	var vlan layers.Dot1Q
	var ip4 layers.IPv4
	var ip6 layers.IPv6
	var tcp layers.TCP
	var udp layers.UDP
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &vlan, &ip4, &ip6, &tcp, &udp)
	parser.IgnoreUnsupported = true
	decoded := make([]gopacket.LayerType, 0, 8)
	round := func() uint64 {
		var sum uint64
		for _, packet := range packets {
			if err := parser.DecodeLayers(packet, &decoded); err != nil {
				panic(err)
			}
			for _, layer := range decoded {
				switch layer {
				case layers.LayerTypeEthernet:
					sum += uint64(len(ethernet.Contents))
				case layers.LayerTypeIPv4:
					sum += uint64(ip4.Protocol)
				case layers.LayerTypeTCP:
					sum += uint64(tcp.SrcPort) + uint64(tcp.DstPort) + uint64(len(tcp.Payload))
				case layers.LayerTypeUDP:
					sum += uint64(udp.SrcPort) + uint64(udp.DstPort) + uint64(len(udp.Payload))
				}
			}
		}
		return sum
	}
	sum := uint64(0)
	for i := 0; i < rounds; i++ {
		sum = round()
	}
	began := processorTime()
	for i := 0; i < rounds; i++ {
		sum = round()
	}
	seconds := processorTime() - began
	fmt.Printf("{\"packets\":%d,\"seconds\":%.6f,\"sum\":%d}\n", len(packets)*rounds, seconds, sum)
}
