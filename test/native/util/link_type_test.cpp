// Link type numbers in files and in libpcap, compared with libpcap.
#include "core/util/link_type.h"

#include <pcap/pcap.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "support/check.h"

using namespace ringtap;

namespace {

using Header = std::array<std::uint32_t, 6>;

// The DLT that libpcap derives from the field in a pcap file's header; -1 if it refuses the file.
int dltOfHeader(std::uint32_t network) {
  Header header{0xa1b2c3d4, 0, 0, 0, 65535, network};
  const std::uint16_t version[] = {2, 4};
  std::memcpy(&header[1], version, sizeof version);
  char error[PCAP_ERRBUF_SIZE] = "";
  pcap_t* handle = pcap_fopen_offline(::fmemopen(header.data(), sizeof header, "r"), error);
  if (handle == nullptr) return -1;
  const int dlt = pcap_datalink(handle);
  pcap_close(handle);
  return dlt;
}

// The field that libpcap writes; -1 if it refuses the DLT.
int networkOf(int dlt) {
  Header header{};
  pcap_t* handle = pcap_open_dead(dlt, 65535);
  pcap_dumper_t* dumper = pcap_dump_fopen(handle, ::fmemopen(header.data(), sizeof header, "w"));
  if (dumper != nullptr) {
    pcap_dump_flush(dumper);
    pcap_dump_close(dumper);
  }
  pcap_close(handle);
  return dumper == nullptr ? -1 : static_cast<int>(header[5]);
}

}  // namespace

TEST(link_types_of_files_convert_as_in_libpcap) {
  for (std::uint32_t network = 0; network < 1024; ++network) {
    if (network == 14) continue;
    CHECK(dltOf(linkTypeOfFile(static_cast<std::uint16_t>(network))) == dltOfHeader(network));
  }
  // OpenBSD's number for raw IP: libpcap interprets it so on OpenBSD, Wireshark everywhere.
  CHECK(linkTypeOfFile(14) == kLinkTypeRaw);
}

TEST(link_types_are_written_as_libpcap_writes_them) {
  int written = 0;
  for (int dlt = 0; dlt < 512; ++dlt) {
    const int network = networkOf(dlt);
    if (network < 0) continue;
    ++written;
    CHECK(linkTypeOfDlt(dlt) == network);
    // No DLT_ of Linux has the number of one of the link types that differ.
    if (dltOf(static_cast<std::uint16_t>(dlt)) == dlt) CHECK(dltOf(static_cast<std::uint16_t>(network)) == dlt);
  }
  CHECK(written > 150);
}

TEST(the_five_link_types_with_another_number_in_files) {
  const int pairs[][2] = {{100, 11}, {101, 12}, {102, 15}, {103, 16}, {106, 19}};
  for (const auto& [linkType, dlt] : pairs) {
    CHECK(dltOf(static_cast<std::uint16_t>(linkType)) == dlt);
    CHECK(linkTypeOfDlt(dlt) == linkType);
    CHECK(linkTypeOfFile(static_cast<std::uint16_t>(dlt)) == linkType);
  }
  CHECK(isUserLinkType(147) && isUserLinkType(162) && !isUserLinkType(146) && !isUserLinkType(163));
}
