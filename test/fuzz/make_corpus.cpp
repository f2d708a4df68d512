// Writes the fuzzers' seeds into a directory: make_corpus test/fuzz/corpus. The seeds come from the same builders as
// the unit tests' data, so none are checked in.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/blocks.h"
#include "support/choices.h"
#include "support/netlink.h"
#include "support/savefiles.h"

namespace {

using support::attribute;
using support::bytesOf;
using support::operator+;
using Bytes = std::vector<std::uint8_t>;

std::filesystem::path root;

void write(const std::string& fuzzer, const std::string& name, const Bytes& bytes) {
  std::filesystem::create_directories(root / fuzzer);
  std::ofstream(root / fuzzer / name, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Bytes blockOf(std::uint8_t refuse, std::uint32_t count) {
  std::vector<support::MadeRecord> records(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    records[i].index = i % 3 + 1;
    records[i].bytes.assign(i * 5, static_cast<std::uint8_t>(i));
  }
  support::Block block = support::Block::of(records);
  Bytes bytes{refuse};
  const auto* data = reinterpret_cast<const std::uint8_t*>(block.data());
  bytes.insert(bytes.end(), data, data + block.size());
  return bytes;
}

void blocks() {
  for (const std::uint32_t count : {0u, 1u, 3u, 8u}) {
    for (const std::uint8_t refuse : {0x00, 0x01, 0xaa, 0xff}) {
      write("block_fuzz", std::to_string(count) + "-" + std::to_string(refuse), blockOf(refuse, count));
    }
  }
}

void linkMessages() {
  const auto veth = [](int index, std::uint32_t peer) {
    return support::link(index, "veth" + std::to_string(index)) + attribute(IFLA_LINK, bytesOf(peer)) +
           attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, support::text("veth")));
  };
  const auto address = support::addressHeader(2, AF_INET, 24) + attribute(IFA_LOCAL, {10, 0, 0, 1});
  const auto address6 = support::addressHeader(2, AF_INET6, 64) + attribute(IFA_ADDRESS, Bytes(16, 1));
  write("netlink_fuzz", "pair",
        support::message(RTM_NEWLINK, veth(2, 0)) + support::message(RTM_NEWLINK, veth(3, 2)) +
            support::message(RTM_NEWADDR, address) + support::message(RTM_NEWADDR, address6) +
            support::message(RTM_DELADDR, address) + support::message(RTM_DELLINK, support::linkHeader(3)) +
            support::message(NLMSG_NOOP, {}) + support::message(RTM_NEWLINK, veth(3, 2)));
  write("netlink_fuzz", "dump",
        support::message(RTM_NEWLINK, veth(2, 3), NLM_F_MULTI) +
            support::message(RTM_NEWLINK, veth(3, 2), NLM_F_MULTI) +
            support::message(RTM_NEWADDR, address, NLM_F_MULTI) + support::message(NLMSG_DONE, bytesOf(0)) +
            support::message(RTM_NEWLINK, support::link(2, "renamed")) + support::message(NLMSG_DONE, bytesOf(0)));
  write("netlink_fuzz", "bridge",
        support::message(RTM_NEWLINK, support::link(2, "port", AF_BRIDGE)) +
            support::message(RTM_DELLINK, support::linkHeader(2, AF_BRIDGE)) +
            support::message(NLMSG_ERROR, bytesOf(-19)));
}

// Omits the first four bytes, which the fuzz targets supply themselves.

// An empty pcap file (repeated two hundred times in the second and third seed), compressed beforehand with gzip and
// zstd because no compressor is linked in.
void packed() {
  const Bytes once{0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xbb, 0x72, 0x78,
                   0xd3, 0x42, 0x26, 0x06, 0x16, 0x06, 0x18, 0xf8, 0xff, 0x9f, 0x81, 0x81, 0x11,
                   0x48, 0x03, 0x00, 0xe1, 0xd7, 0xa1, 0x11, 0x18, 0x00, 0x00, 0x00};
  const Bytes many{0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc8, 0x31, 0x0d, 0x00, 0x20, 0x0c,
                   0x00, 0xc1, 0x42, 0xf0, 0xef, 0x01, 0x0b, 0x58, 0xc0, 0x42, 0xfd, 0x14, 0x16, 0x3c, 0x30, 0xdc, 0x2f,
                   0x9f, 0x5c, 0xee, 0x35, 0x7b, 0x8c, 0x78, 0x55, 0x45, 0xb4, 0xfb, 0xe4, 0x9c, 0x73, 0xce, 0x39, 0xe7,
                   0x9c, 0x73, 0xce, 0x39, 0xe7, 0xfc, 0x03, 0x3f, 0xb9, 0xf8, 0xad, 0x23, 0xc0, 0x12, 0x00, 0x00};
  const Bytes zstd{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0xd5, 0x00, 0x00, 0x80, 0xd4, 0xc3, 0xb2,
                   0xa1, 0x02, 0x00, 0x04, 0x00, 0xff, 0xff, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
                   0x02, 0x00, 0xa5, 0xb2, 0xb3, 0xf3, 0x17, 0x70, 0x01, 0x1d, 0x10, 0xfb, 0x55};
  const auto seed = [](const std::string& name, const Bytes& data) {
    for (const std::uint8_t piece : {0x00, 0xff}) {
      write("unpack_fuzz", name + "-" + std::to_string(piece), Bytes{piece, 7} + data);
    }
  };
  seed("gzip", once);
  seed("gzip-twice", once + many);
  seed("gzip-cut", Bytes(many.begin(), many.end() - 9));
  seed("zstd", zstd);
  seed("zstd-twice", zstd + zstd);
  seed("zstd-cut", Bytes(zstd.begin(), zstd.end() - 5));
}

void savefiles() {
  const auto seed = [](const std::string& fuzzer, const std::string& name, std::uint8_t how, const Bytes& file) {
    Bytes bytes{how};
    bytes.insert(bytes.end(), file.begin() + 4, file.end());
    write(fuzzer, name, bytes);
  };
  for (const bool big : {false, true}) {
    const auto order = static_cast<std::uint8_t>(big ? 0x80 : 0);
    const std::string name = big ? "big" : "little";
    seed("pcap_fuzz", name, order | 7, support::files::somePcap({.bigEndian = big}, 12));
    seed("pcap_fuzz", name + "-2.3", order | 0x47, support::files::somePcap({.bigEndian = big, .minor = 3}, 5));
    seed("pcap_fuzz", name + "-kuznetsov", order,
         support::files::somePcap({.magic = ringtap::savefile::kMagicKuznetsov, .bigEndian = big}, 5));
    seed("pcapng_fuzz", name, 0x4b, support::files::somePcapng(big));
    seed("pcapng_fuzz", name + "-nothing-kept", 0x0b, support::files::somePcapng(big));
  }
}

void filters() {
  support::Choices choices(1);
  for (int i = 0; i < 16; ++i) {
    Bytes bytes(64u << (i % 6));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(choices.any());
    write("cbpf_program_fuzz", std::to_string(i), bytes);
    write("filter_interpreter_fuzz", std::to_string(i), bytes);
    write("dedupe_fuzz", std::to_string(i), bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
    return 2;
  }
  root = argv[1];
  blocks();
  linkMessages();
  packed();
  savefiles();
  filters();
  return 0;
}
