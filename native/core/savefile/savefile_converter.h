// Converts savefiles: merges several by time or appends them, keeps the packets of selected interfaces that a filter
// accepts, splits the output into several files, and converts to the other format.
//
// Owner: the thread that calls run(). stop(), stats(), question() and answer() may be called from any thread meanwhile.
// Memory grows with the number of open inputs, and with their descriptions up to a limit: kMaxDescriptions interfaces
// of an output, and kMaxPassthrough bytes of blocks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/savefile/file_set.h"
#include "core/savefile/passthrough_block.h"
#include "core/savefile/savefile_source.h"
#include "core/savefile/savefile_writer.h"
#include "core/util/result.h"

namespace ringtap {

struct ConvertOptions {
  std::vector<std::string> inputs;
  // True: the next packet is the earliest of the inputs' next packets; with equal timestamps, that of the input named
  // first. False: one input after the other.
  bool byTime = true;
  std::optional<std::string> filter;
  std::uint64_t from = 0;           // nanoseconds since 1970: of the earliest packet that is taken,
  std::uint64_t to = UINT64_MAX;    // and of the latest one
  bool selecting = false;           // each interface waits for answer()
  bool keepDamaged = false;         // a damaged or truncated input ends there, with a warning; otherwise run() fails
  std::vector<std::uint32_t> keep;  // types of blocks to copy (passthrough_block.h); pcapng only
  FileSetOptions files;
  SavefileForm form;
  // Limits of a file, which is completed before the packet that would exceed one of them: bytes, packets, or
  // nanoseconds since its first packet. 0: no limit.
  std::uint64_t maxBytes = 0;
  std::uint64_t maxPackets = 0;
  std::uint64_t maxNanoseconds = 0;
};

struct ConvertStats {
  std::uint64_t packets = 0;  // from the inputs, accepted by selection, filter and times
  std::uint64_t written = 0;
  std::uint64_t otherLinkType = 0;  // pcap: not written, because the file has another link type
  std::uint64_t bytesRead = 0;      // of the inputs, as stored
  std::uint64_t clampedTimes = 0;   // packets whose time was replaced by the nearest that can be stored
  std::uint64_t bytesTotal = 0;     // of the inputs opened so far
};

// An interface for which the caller decides whether it is selected.
struct InterfaceQuestion {
  FileSection section;
  std::uint32_t sectionNumber = 0;  // within its file
  FileInterface interface;
};

class SavefileConverter {
 public:
  explicit SavefileConverter(ConvertOptions options);
  ~SavefileConverter();

  // `wake` is called on the thread of run() when there is a new question. Set it before run().
  void onQuestion(std::function<void()> wake) { wake_ = std::move(wake); }
  // If it fails or is stopped, the file in progress is removed; complete files stay. NoInterface: no interface of any
  // input was selected.
  Result<> run();
  void stop();

  // The pending question, one at a time. run() waits for its answer.
  [[nodiscard]] std::optional<InterfaceQuestion> question() const;
  void answer(bool selected);

  [[nodiscard]] ConvertStats stats() const;
  // Valid after run() has returned.
  [[nodiscard]] const std::vector<CompleteFile>& files() const { return complete_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  class Input;

  Result<> convert();
  Result<bool> nextOf(Input& input);
  Result<> mergeByTime();
  Result<> append();
  Result<std::unique_ptr<Input>> openInput(const std::string& path);
  void handle(Input& input, SavefileEvent& event);
  bool ask(const Input& input, const FileInterface& interface);
  void keep(Input& input, const FileBlock& block);
  Result<> take(Input& input);
  [[nodiscard]] bool full(std::uint32_t interface, const Record& record, std::uint64_t timestamp) const;
  Result<std::uint32_t> idOf(Input& input, std::uint32_t interface);
  void closeInputs();
  Result<> beginFile();
  Result<> endFile();
  Result<> flush();
  void note();

  const ConvertOptions options_;
  ByteSink sink_;
  FileSet files_;
  SavefileWriter writer_;
  // Interface numbers in the current file, by the encoded interface description block.
  std::unordered_map<std::string, std::uint32_t> interfaces_;
  std::size_t interfaceBytes_ = 0;
  std::unordered_set<std::string> known_;          // copied blocks: the type, then the body
  std::vector<const std::string*> passedThrough_;  // of known_: blocks to repeat in every further file
  std::size_t passedThroughBytes_ = 0;
  std::uint64_t selected_ = 0;
  bool lateTimes_ = false;                  // the warning about times that pcap cannot store was added
  std::optional<Error> failure_;            // an error from writing a block between packets
  std::optional<SavefileInterface> first_;  // the first selected interface of the inputs
  std::uint64_t fileNumber_ = 0;
  std::vector<std::unique_ptr<Input>> inputs_;
  ByteSink packetOptions_;  // of the current packet
  std::vector<CompleteFile> complete_;
  std::vector<std::string> warnings_;
  ConvertStats counted_;  // used by run()'s thread only, which copies it to stats_ at intervals
  std::atomic<bool> stopped_{false};
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::optional<InterfaceQuestion> question_;  // under the mutex, like the next one
  std::optional<bool> answer_;
  ConvertStats stats_;           // under the mutex, like the next two; bytesRead is computed in stats()
  std::uint64_t bytesDone_ = 0;  // of inputs that were read to the end
  std::vector<SavefileSource*> open_;
};

}  // namespace ringtap
