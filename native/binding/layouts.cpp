// Exports the layouts that C++ and TypeScript share, as declared in C++, for the test that compares them.
#include "binding/util/layouts.h"

#include <linux/if_packet.h>

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "core/block/block.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

namespace {

struct Entry {
  const char* name;
  std::int64_t value;
};

js::Object table(js::Env env, std::initializer_list<Entry> entries) {
  js::Object object = js::Object::New(env);
  for (const auto& [name, value] : entries) object.Set(name, js::Number::New(env, static_cast<double>(value)));
  return object;
}

js::Object recordLayout(js::Env env) {
  constexpr std::size_t variant = offsetof(tpacket3_hdr, hv1);
  return table(env, {
                        {"Captured", offsetof(tpacket3_hdr, tp_snaplen)},
                        {"Original", offsetof(tpacket3_hdr, tp_len)},
                        {"Status", offsetof(tpacket3_hdr, tp_status)},
                        {"Data", offsetof(tpacket3_hdr, tp_mac)},
                        {"LinkType", variant + offsetof(tpacket_hdr_variant1, tp_rxhash)},
                        {"VlanTci", variant + offsetof(tpacket_hdr_variant1, tp_vlan_tci)},
                        {"VlanTpid", variant + offsetof(tpacket_hdr_variant1, tp_vlan_tpid)},
                        {"Timestamp", kRecordTimestamp},
                        {"Interface", kRecordAddress + offsetof(sockaddr_ll, sll_ifindex)},
                        {"Hardware", kRecordAddress + offsetof(sockaddr_ll, sll_hatype)},
                        {"PacketType", kRecordAddress + offsetof(sockaddr_ll, sll_pkttype)},
                    });
}

js::Object statusBits(js::Env env) {
  return table(env, {
                        {"User", TP_STATUS_USER},
                        {"ChecksumNotReady", TP_STATUS_CSUMNOTREADY},
                        {"VlanValid", TP_STATUS_VLAN_VALID},
                        {"VlanTpidValid", TP_STATUS_VLAN_TPID_VALID},
                        {"ChecksumValid", TP_STATUS_CSUM_VALID},
                        {"LinkType", kStatusLinkType},
                        {"Comments", kStatusComments},
                        {"TimeSoftware", TP_STATUS_TS_SOFTWARE},
                        {"TimeSystemHardware", TP_STATUS_TS_SYS_HARDWARE},
                        // Bit 31: JavaScript's bitwise operators see it as the sign.
                        {"TimeRawHardware", static_cast<std::int32_t>(TP_STATUS_TS_RAW_HARDWARE)},
                    });
}

js::Object packetTypes(js::Env env) {
  return table(env, {{"Outgoing", PACKET_OUTGOING}, {"Incoming", kPacketIncoming}, {"Unknown", kPacketUnknown}});
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

js::Object refusals(js::Env env) {
  const auto of = [](Refusal refusal) { return static_cast<std::int64_t>(refusal); };
  return table(env, {
                        {"None", of(Refusal::None)},
                        {"TooShort", of(Refusal::TooShort)},
                        {"TooLong", of(Refusal::TooLong)},
                        {"InterfaceDown", of(Refusal::InterfaceDown)},
                        {"InterfaceGone", of(Refusal::InterfaceGone)},
                        {"NoRoom", of(Refusal::NoRoom)},
                        {"Truncated", of(Refusal::Truncated)},
                        {"LinkType", of(Refusal::LinkType)},
                        {"Other", of(Refusal::Other)},
                    });
}

js::Value layouts(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  js::Object all = js::Object::New(env);
  all.Set("Record", recordLayout(env));
  all.Set("Status", statusBits(env));
  all.Set("PacketType", packetTypes(env));
  all.Set("Index", indexLayout(env));
  all.Set("Refusal", refusals(env));
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
  return all;
}

}  // namespace

void initLayouts(js::Env env, js::Object exports) { exportFunction(env, exports, "layouts", layouts); }

}  // namespace ringtap::binding
