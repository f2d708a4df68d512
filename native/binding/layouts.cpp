// Exports the layouts that C++ and TypeScript share, as declared in C++, for the test that compares them.
#include "binding/util/layouts.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "core/block/block.h"
#include "core/savefile/packing.h"
#include "core/savefile/savefile_writer.h"

namespace ringtap::binding {

namespace {

using Entry = std::pair<const char*, std::int64_t>;

js::Object table(js::Env env, std::initializer_list<Entry> entries) { return numbersOf<std::int64_t>(env, entries); }

js::Object recordLayout(js::Env env) {
  return table(env, {
                        {"Captured", offsetof(RecordHeader, tp_snaplen)},
                        {"Original", offsetof(RecordHeader, tp_len)},
                        {"Status", offsetof(RecordHeader, tp_status)},
                        {"Data", offsetof(RecordHeader, tp_mac)},
                        {"LinkType", offsetof(RecordHeader, tp_rxhash)},
                        {"VlanTci", offsetof(RecordHeader, tp_vlan_tci)},
                        {"VlanTpid", offsetof(RecordHeader, tp_vlan_tpid)},
                        {"Timestamp", kRecordTimestamp},
                        {"Interface", kRecordAddress + offsetof(RecordAddress, sll_ifindex)},
                        {"Hardware", kRecordAddress + offsetof(RecordAddress, sll_hatype)},
                        {"PacketType", kRecordAddress + offsetof(RecordAddress, sll_pkttype)},
                    });
}

js::Object statusBits(js::Env env) {
  return table(env, {
                        {"User", kStatusUser},
                        {"ChecksumNotReady", kStatusChecksumNotReady},
                        {"VlanValid", kStatusVlanValid},
                        {"VlanTpidValid", kStatusVlanTpidValid},
                        {"ChecksumValid", kStatusChecksumValid},
                        {"LinkType", kStatusLinkType},
                        {"Options", kStatusOptions},
                        {"TimeSoftware", kStatusTimeSoftware},
                        {"TimeSystemHardware", kStatusTimeSystemHardware},
                        // Bit 31: JavaScript's bitwise operators see it as the sign.
                        {"TimeRawHardware", static_cast<std::int32_t>(kStatusTimeRawHardware)},
                    });
}

js::Object packetTypes(js::Env env) {
  return table(env, {{"Outgoing", kPacketOutgoing}, {"Incoming", kPacketIncoming}, {"Unknown", kPacketUnknown}});
}

js::Object indexLayout(js::Env env) {
  std::int64_t unit = 0;
  while ((std::size_t{1} << unit) < kRecordAlignment) ++unit;
  return table(env, {
                        {"First", kIndexStart / sizeof(std::uint32_t)},
                        {"LengthBits", kIndexLengthBits},
                        {"MaxLength", kIndexMaxLength},
                        {"Unit", unit},
                    });
}

js::Value layouts(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  js::Object all = js::Object::New(env);
  all.Set("Record", recordLayout(env));
  all.Set("Status", statusBits(env));
  all.Set("PacketType", packetTypes(env));
  all.Set("Index", indexLayout(env));
#define RINGTAP_ENTRY(name) {#name, k##name},
#define RINGTAP_EXPORT(key, layout, words)                             \
  {                                                                    \
    using namespace layout;                                            \
    all.Set(key, table(env, {words(RINGTAP_ENTRY){"Words", kWords}})); \
  }
  RINGTAP_EXPORT("BlockMeta", block_meta, RINGTAP_BLOCK_META)
  RINGTAP_EXPORT("ChunkMeta", chunk_meta, RINGTAP_CHUNK_META)
  RINGTAP_EXPORT("WriterCounts", writer_counts, RINGTAP_WRITER_COUNTS)
  RINGTAP_EXPORT("InterfaceRow", interface_row, RINGTAP_INTERFACE_ROW)
  RINGTAP_EXPORT("LossHead", loss_head, RINGTAP_LOSS_HEAD)
  RINGTAP_EXPORT("LossRow", loss_row, RINGTAP_LOSS_ROW)
  RINGTAP_EXPORT("Frame", frame, RINGTAP_FRAME)
#undef RINGTAP_EXPORT
#undef RINGTAP_ENTRY
  all.Set("NoBlock", numbersOf<NoBlock>(env, {{"Empty", NoBlock::Empty},
                                              {"EventsFirst", NoBlock::EventsFirst},
                                              {"Finished", NoBlock::Finished}}));
  all.Set("SavefileFormat",
          numbersOf<SavefileFormat>(env, {{"Pcapng", SavefileFormat::Pcapng}, {"Pcap", SavefileFormat::Pcap}}));
  all.Set("Packing",
          numbersOf<Packing>(env, {{"None", Packing::None}, {"Gzip", Packing::Gzip}, {"Zstd", Packing::Zstd}}));
#ifndef RINGTAP_PORTABLE
  addLinuxLayouts(env, all);
#endif
  return all;
}

}  // namespace

void initLayouts(js::Env env, js::Object exports) { exportFunction(env, exports, "layouts", layouts); }

}  // namespace ringtap::binding
