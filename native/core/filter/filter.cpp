#include "core/filter/filter.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "core/filter/filter_interpreter.h"
#include "core/util/pcap_handle.h"
#include "core/util/thread.h"

namespace ringtap {

namespace {

static_assert(sizeof(FilterInstruction) == sizeof(bpf_insn));
static_assert(offsetof(FilterInstruction, jt) == offsetof(bpf_insn, jt));
static_assert(offsetof(FilterInstruction, jf) == offsetof(bpf_insn, jf));
static_assert(offsetof(FilterInstruction, k) == offsetof(bpf_insn, k));

// Expressions shorter than this, in bytes, are compiled without precautions.
constexpr std::size_t kShortExpression = 2048;
// Each distinct address or port takes at least one instruction, so an expression with more distinct words cannot fit;
// the margin is for pcap-filter's keywords.
constexpr std::size_t kMaxDistinctWords = kMaxFilterInstructions + 256;
constexpr std::size_t kMaxWords = 4 * kMaxFilterInstructions;
// libpcap's optimiser shortens lists up to some 15 times, in time that grows with at least the cube of the length.
constexpr std::size_t kMaxUnoptimised = 16 * kMaxFilterInstructions;
// libpcap's code generator and optimiser recurse once per block of code: 8000 ports overflow a stack of 1 MiB.
constexpr std::size_t kStackSize = 64 * 1024 * 1024;

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { pcap_freecode(&program_); }

  bool compile(pcap_t* handle, const std::string& expression, bool optimise) {
    return pcap_compile(handle, &program_, expression.c_str(), optimise ? 1 : 0, PCAP_NETMASK_UNKNOWN) == 0;
  }
  [[nodiscard]] std::size_t size() const { return program_.bf_len; }
  [[nodiscard]] FilterProgram copy() const {
    FilterProgram instructions;
    instructions.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
      const bpf_insn& from = program_.bf_insns[i];
      instructions.push_back({from.code, from.jt, from.jf, from.k});
    }
    return instructions;
  }

 private:
  bpf_program program_{};
};

// Formats an expression for error messages: one line, shortened between characters.
std::string shortened(const std::string& expression) {
  constexpr std::size_t limit = 100;
  std::string text = expression.substr(0, limit);
  if (text.size() < expression.size()) {
    while (!text.empty() && (static_cast<unsigned char>(expression[text.size()]) & 0xc0) == 0x80) text.pop_back();
    text += "…";
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text;
}

Error refused(const std::string& expression, const std::string& reason) {
  return {Code::FilterSyntax, "filter \"" + shortened(expression) + "\": " + reason};
}

Error tooLarge(const std::string& expression, const std::string& size) {
  return {Code::FilterTooLarge, "filter \"" + shortened(expression) + "\" is too large: " + size +
                                    "; the kernel takes " + std::to_string(kMaxFilterInstructions) +
                                    " instructions. Ranges (net, portrange) need fewer than lists."};
}

// Visits the words of an expression, split approximately as libpcap's scanner.l does.
template <typename Visit>
void forEachWord(std::string_view expression, Visit visit) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/\\";
  for (std::size_t at = 0; (at = expression.find_first_of(letters, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(expression.find_first_not_of(letters, at), expression.size());
    visit(expression.substr(at, end - at));
    at = end;
  }
}

bool hasWord(std::string_view expression, std::string_view wanted) {
  bool has = false;
  forEachWord(expression, [&](std::string_view word) { has |= word == wanted; });
  return has;
}

// The size to report if the expression cannot fit; else "".
std::string hopelessSize(const std::string& expression) {
  std::unordered_set<std::string_view> distinct;
  std::size_t words = 0;
  forEachWord(expression, [&](std::string_view word) {
    ++words;
    distinct.insert(word);
  });
  if (distinct.size() > kMaxDistinctWords) return std::to_string(distinct.size()) + " different words";
  if (words > kMaxWords) return std::to_string(words) + " words";
  return {};
}

Result<FilterProgram> compileOn(pcap_t* handle, const std::string& expression) {
  if (expression.size() > kShortExpression) {
    Program draft;
    if (!draft.compile(handle, expression, false)) return refused(expression, pcap_geterr(handle));
    if (draft.size() > kMaxUnoptimised) {
      return tooLarge(expression, std::to_string(draft.size()) + " instructions before optimising");
    }
  }
  Program program;
  if (!program.compile(handle, expression, true)) return refused(expression, pcap_geterr(handle));
  if (program.size() > kMaxFilterInstructions) {
    return tooLarge(expression, std::to_string(program.size()) + " instructions");
  }
  FilterProgram instructions = program.copy();
  // libpcap compiles `protochain` to a loop; neither the kernel nor runFilter accepts a backward jump. On a few link
  // types (Juniper's, NetAnalyzer) it compiles some tests to loads at offsets that the kernel takes for its extensions.
  if (const auto valid = validateFilter(instructions); !valid.ok()) {
    const bool loop = hasWord(expression, "protochain");
    return refused(expression, std::string("the kernel cannot run it") + (loop ? ", for protochain needs a loop" : "") +
                                   " (" + valid.error().message + ")");
  }
  return instructions;
}

// A handle that reads an empty savefile.
PcapHandle openSavefile(std::uint16_t linkType, std::uint32_t snapshotLength, bool bigEndian) {
  pcap_file_header header{0xa1b2c3d4, 2, 4, 0, 0, snapshotLength, linkType};
  if (bigEndian != (std::endian::native == std::endian::big)) {
    header.magic = __builtin_bswap32(header.magic);
    header.version_major = __builtin_bswap16(header.version_major);
    header.version_minor = __builtin_bswap16(header.version_minor);
    header.snaplen = __builtin_bswap32(header.snaplen);
    header.linktype = __builtin_bswap32(header.linktype);
  }
  std::FILE* file = ::fmemopen(&header, sizeof header, "r");
  if (file == nullptr) return nullptr;
  char reason[PCAP_ERRBUF_SIZE];
  // Reads the header immediately; from then on the handle owns the file, and nothing reads from it again.
  PcapHandle handle(pcap_fopen_offline(file, reason));
  if (!handle) std::fclose(file);
  return handle;
}

bool isKnown(std::uint16_t linkType) {
  return isUserLinkType(linkType) || pcap_datalink_val_to_name(dltOf(linkType)) != nullptr;
}

}  // namespace

bool isBlank(std::string_view expression) { return expression.find_first_not_of(" \t\n\r") == std::string_view::npos; }

bool testsMetadata(const std::string& expression) {
  return hasWord(expression, "inbound") || hasWord(expression, "outbound") || hasWord(expression, "ifindex");
}

bool needsKernelExtensions(const std::string& expression) {
  // libpcap 1.10 needs it for vlan only; later versions refuse the others on a handle that does not capture.
  return testsMetadata(expression) || hasWord(expression, "vlan");
}

Result<CompiledFilter> compileFilter(const std::string& expression, std::uint16_t linkType,
                                     std::uint32_t snapshotLength, FilterInput input, OpenLiveHandle live) {
  if (snapshotLength == 0 || snapshotLength > kMaxSnapshotLength) {
    return Error{Code::Option, "the snapshot length must be between 1 and " + std::to_string(kMaxSnapshotLength) +
                                   "; got " + std::to_string(snapshotLength)};
  }
  CompiledFilter result;
  if (isBlank(expression)) {
    result.instructions = {{BPF_RET | BPF_K, 0, 0, snapshotLength}};
    return result;
  }
  if (expression.find('\0') != std::string::npos) return refused(expression, "it holds a NUL byte");
  if (const std::string size = hopelessSize(expression); !size.empty()) return tooLarge(expression, size);

  PcapHandle handle;
  const bool file = input != FilterInput::Memory;
  if (file) {
    handle = openSavefile(linkType, snapshotLength, input == FilterInput::BigEndianFile);
  } else if (live != nullptr && linkType == kLinkTypeEthernet && needsKernelExtensions(expression)) {
    auto opened = live(snapshotLength);
    if (!opened) return std::move(opened.error());
    handle = std::move(*opened);
    result.extensionsMissing = !handle;
  }
  if (!handle && !file) handle.reset(pcap_open_dead(dltOf(linkType), static_cast<int>(snapshotLength)));
  if (!handle) return Error::fromErrno("pcap_open_dead", "no memory to compile a filter");
  if (!isUserLinkType(linkType) && pcap_datalink_val_to_name(pcap_datalink(handle.get())) == nullptr) {
    return Error{Code::Option, "libpcap does not know the link type " + std::to_string(linkType)};
  }

  Result<FilterProgram> compiled = FilterProgram{};
  const auto work = [&] { compiled = compileOn(handle.get(), expression); };
  if (expression.size() <= kShortExpression) {
    work();
  } else {
    auto thread = Thread::start("ringtap filter", work, kStackSize);
    if (!thread) return std::move(thread.error());
    thread->join();
  }
  if (!compiled.ok()) return compiled.error();
  result.instructions = std::move(*compiled);
  return result;
}

Result<LinkTypeFilters> compileForLinkTypes(const std::string& expression, std::uint32_t snapshotLength,
                                            FilterInput input, std::span<const std::uint16_t> linkTypes,
                                            OpenLiveHandle live) {
  LinkTypeFilters result;
  Error first;
  bool valid = false;
  for (const std::uint16_t linkType : linkTypes) {
    auto compiled = compileFilter(expression, linkType, snapshotLength, input, live);
    if (compiled.ok()) {
      valid = true;
      result.extensionsMissing |= compiled->extensionsMissing;
      result.filters.push_back({linkType, std::move(compiled->instructions), {}});
      continue;
    }
    if (compiled.error().code != Code::FilterSyntax && isKnown(linkType)) return compiled.error();
    if (result.filters.empty()) first = compiled.error();
    result.filters.push_back({linkType, {{BPF_RET | BPF_K, 0, 0, 0}}, compiled.error().message});
  }
  if (!valid && !linkTypes.empty()) return first;
  return result;
}

std::string libpcapVersion() {
  std::string sentence = pcap_lib_version();  // "libpcap version 1.10.5 (with TPACKET_V3)"
  const auto start = sentence.find_first_of("0123456789");
  if (start == std::string::npos) return sentence;
  return sentence.substr(start, sentence.find_first_of(" ,(", start) - start);
}

std::string filterListing(std::span<const FilterInstruction> program) {
  // bpf_image writes into a static buffer, which only newer versions of libpcap keep per thread.
  static std::mutex mutex;
  std::string text;
  int number = 0;
  for (const FilterInstruction& each : program) {
    const bpf_insn instruction{each.code, each.jt, each.jf, each.k};
    const std::lock_guard lock(mutex);
    text += bpf_image(&instruction, number++);
    text += '\n';
  }
  return text;
}

}  // namespace ringtap
