// The class behind lib/savefile/savefile-writer.ts: encodes packets as a savefile's bytes.
#include <arpa/inet.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "binding/savefile/savefile_form.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/layouts.h"
#include "binding/util/run_async.h"
#include "core/savefile/key_log.h"
#include "core/savefile/pack.h"
#include "core/savefile/packet_options.h"
#include "core/savefile/savefile_format.h"

namespace ringtap::binding {

namespace {

std::uint64_t bigint(const js::Value& value) { return value.As<js::BigInt>().Uint64Value(); }

// new SavefileBuffer(form): see NativeSavefileBuffer in lib/savefile/native.ts. Its only caller has checked the types.
class SavefileBuffer : public js::ObjectWrap<SavefileBuffer> {
 public:
  static js::Function define(js::Env env) {
    return DefineClass(env, "SavefileBuffer",
                       {
                           InstanceMethod<&SavefileBuffer::addInterface>("addInterface"),
                           InstanceMethod<&SavefileBuffer::append>("append"),
                           InstanceMethod<&SavefileBuffer::secrets>("secrets"),
                           InstanceMethod<&SavefileBuffer::linkType>("linkType"),
                           InstanceMethod<&SavefileBuffer::statistics>("statistics"),
                           InstanceMethod<&SavefileBuffer::end>("end"),
                           InstanceMethod<&SavefileBuffer::take>("take"),
                           InstanceMethod<&SavefileBuffer::pack>("pack"),
                       });
  }

  explicit SavefileBuffer(const js::CallbackInfo& info) : writer_(sink_, savefileForm(Fields(info[0]))) {
    writer_.begin();
  }

 private:
  js::Value addInterface(const js::CallbackInfo& info) {
    const Fields given(info[0]);
    SavefileInterface interface;
    interface.name = given.text("name");
    interface.description = given.text("description");
    interface.filter = given.text("filter");
    if (given["linkType"].IsNumber()) interface.linkType = static_cast<std::uint16_t>(given.number("linkType"));
    else setUserLinkType(interface, static_cast<std::uint16_t>(given.number("hardwareType")));
    interface.snapLength = given.number("snapLength");
    const auto address = given["address"].As<js::Uint8Array>();
    interface.address.assign(address.Data(), address.Data() + address.ByteLength());
    const auto addresses = given["addresses"].As<js::Array>();
    for (std::uint32_t i = 0; i < addresses.Length(); ++i) {
      const Fields one(addresses.Get(i));
      InterfaceAddress parsed;
      parsed.family = one.number("family") == 4 ? AF_INET : AF_INET6;
      parsed.prefixLength = static_cast<std::uint8_t>(one.number("prefixLength"));
      const std::string spelt = one.text("address");
      if (::inet_pton(parsed.family, spelt.c_str(), parsed.bytes.data()) == 1) interface.addresses.push_back(parsed);
    }
    return js::Number::New(info.Env(), writer_.add(interface));
  }

  // append(memory, entries, ids, comments): returns how many of the packets were written. Stops at the first whose link
  // type is not the file's.
  js::Value append(const js::CallbackInfo& info) {
    const auto [memory, length] = info[0].As<js::Uint8Array>().elements();
    const auto [entries, count] = info[1].As<js::Uint32Array>().elements();
    const auto [ids, idCount] = info[2].As<js::Uint32Array>().elements();
    const std::vector<std::string> comments = textsOf(info[3]);
    const std::size_t known = writer_.delivered().size();
    std::size_t at = 0;
    for (; at < count; ++at) {
      const std::uint32_t offset = indexedOffset(entries[at]);
      auto* header = reinterpret_cast<RecordHeader*>(memory + offset);
      const bool whole = at < idCount && offset + kRecordHeader <= length && header->tp_mac >= kRecordHeader &&
                         std::uint64_t{offset} + header->tp_mac + header->tp_snaplen <= length;
      if (!whole || ids[at] >= known) {
        throwError(info.Env(), Error{.code = Code::Option, .message = "a packet does not lie within its memory"});
        return {};
      }
      const Record record{header, offset};
      options_.clear();
      appendOptions(record, reinterpret_cast<const std::byte*>(memory + length), options_);
      for (const std::string& comment : comments) writeComment(options_, comment);
      if (!sink_.reserve(writer_.sizeOf(ids[at], record, options_.size()))) {
        throwError(info.Env(), Error{Code::System, "no memory for the packets that wait to be written", ENOMEM});
        return {};
      }
      if (!writer_.write(ids[at], record, {}, options_.bytes())) break;
    }
    return js::Number::New(info.Env(), static_cast<double>(at));
  }

  // secrets(lines: Uint8Array): of a key log, for the packets that are appended later. Ignored in pcap.
  js::Value secrets(const js::CallbackInfo& info) {
    const auto [bytes, length] = info[0].As<js::Uint8Array>().elements();
    const auto body = keyLogBlock({bytes, length});
    if (!sink_.reserve(body.size() + savefile::kBlockEnvelope)) {
      throwError(info.Env(), Error{Code::System, "no memory for the secrets that wait to be written", ENOMEM});
      return {};
    }
    writer_.block(savefile::kDecryptionSecrets, body);
    return info.Env().Undefined();
  }

  // linkType(): of the first interface, which all packets of a pcap file share. Call it after addInterface().
  js::Value linkType(const js::CallbackInfo& info) { return js::Number::New(info.Env(), writer_.linkType()); }

  // statistics(id, start, end, dropped: number | undefined)
  void statistics(const js::CallbackInfo& info) {
    const std::uint32_t id = info[0].As<js::Number>().Uint32Value();
    SavefileStatistics statistics;
    statistics.start = bigint(info[1]);
    statistics.end = bigint(info[2]);
    statistics.delivered = writer_.delivered()[id].packets;
    if (info[3].IsNumber()) statistics.dropped = static_cast<std::uint64_t>(info[3].As<js::Number>().DoubleValue());
    writer_.statistics(id, statistics);
  }

  void end(const js::CallbackInfo&) { writer_.end(); }

  // take(min): returns the pending bytes if there are at least `min`, and stores the totals written in `counts`.
  js::Value take(const js::CallbackInfo& info) {
    const SavefileCounts& counts = writer_.counts();
    void* data = info[1].As<js::ArrayBuffer>().Data();
    if (data == nullptr) return {};
    auto* numbers = static_cast<double*>(data);
    auto* times = static_cast<std::uint64_t*>(data);
    numbers[writer_counts::kPackets] = static_cast<double>(counts.packets);
    numbers[writer_counts::kPacketBytes] = static_cast<double>(counts.packetBytes);
    numbers[writer_counts::kBytes] = static_cast<double>(counts.bytes);
    times[writer_counts::kFirstTimestamp] = counts.firstTimestamp;
    times[writer_counts::kLastTimestamp] = counts.lastTimestamp;
    numbers[writer_counts::kClampedTimes] = static_cast<double>(counts.clampedTimes);
    const auto min = static_cast<std::size_t>(info[0].As<js::Number>().DoubleValue());
    if (sink_.size() == 0 || sink_.size() < min) return info.Env().Undefined();
    const js::Value bytes = js::copyToBuffer(info.Env(), sink_.data(), sink_.size());
    if (!bytes.IsEmpty()) sink_.clear();
    return bytes;
  }

  // pack(packing: number): Uint8Array, or a promise of it if there is something to compress. Takes the pending bytes.
  js::Value pack(const js::CallbackInfo& info) {
    const auto packing = static_cast<Packing>(info[0].As<js::Number>().Uint32Value());
    const auto give = [](js::Env env, ByteSink& content) -> Result<js::Value> {
      const std::size_t length = content.size();
      auto bytes = content.release();
      if (!bytes) return Error{Code::System, "no memory for the savefile", ENOMEM, "malloc"};
      return js::giveBytes(env, std::move(bytes), length);
    };
    auto content = std::make_shared<ByteSink>(std::move(sink_));
    sink_ = {};
    if (packing == Packing::None) {
      auto given = give(info.Env(), *content);
      if (given) return *given;
      throwError(info.Env(), given.error());
      return {};
    }
    return runAsync(
        info.Env(), "ringtap pack", [content, packing] { return ringtap::pack(*content, packing); },
        [content, give](js::Env env, Result<>& packed) -> Result<js::Value> {
          if (!packed) return std::move(packed.error());
          return give(env, *content);
        },
        Where::OwnThread);
  }

  ByteSink options_;  // of the packet being appended
  ByteSink sink_;
  SavefileWriter writer_;
};

}  // namespace

void initSavefileBuffer(js::Env env, js::Object exports) { exports.Set("SavefileBuffer", SavefileBuffer::define(env)); }

}  // namespace ringtap::binding
