// Makes savefiles of savefiles: puts several together, by time or one after the other; takes what a filter accepts, and
// of interfaces that are selected; divides what comes out into several files; writes the other format.
//
// Owner: the thread that calls run(); stop(), figures(), question() and answer() may be called from any thread
// meanwhile. Memory: by open input, and of what the inputs describe within bounds: kMaxDescriptions interfaces of an
// output, kMaxPassthrough bytes of blocks.
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
  // Always the packet that is the earliest of those that are next in their files; of equal ones, that of the file named
  // first. Otherwise file after file.
  bool byTime = true;
  std::optional<std::string> filter;
  bool selecting = false;           // each interface waits for answer()
  bool keepDamaged = false;         // an input that is damaged or cut ends there, with a warning, instead of all of it
  std::vector<std::uint32_t> keep;  // types of blocks that are copied (passthrough_block.h); pcapng
  FileSetOptions files;
  SavefileForm form;
  // When a file is complete: before the packet with which it would be larger, hold more, or reach further from its
  // first one. 0: never.
  std::uint64_t maxBytes = 0;
  std::uint64_t maxPackets = 0;
  std::uint64_t maxNanoseconds = 0;
};

struct ConvertStats {
  std::uint64_t packets = 0;  // taken from the inputs: those that selection and filter accept
  std::uint64_t written = 0;
  std::uint64_t otherLinkType = 0;  // pcap: not written, for the file is of another link type
  std::uint64_t bytesRead = 0;      // of the inputs, as stored
  std::uint64_t clampedTimes = 0;   // packets whose time was replaced by the nearest that could be told
  std::uint64_t bytesTotal = 0;     // of the inputs opened so far
};

// An interface that waits to be selected, or not.
struct InterfaceQuestion {
  FileSection section;
  std::uint32_t sectionNumber = 0;  // in its file
  FileInterface interface;
};

class SavefileConverter {
 public:
  explicit SavefileConverter(ConvertOptions options);
  ~SavefileConverter();

  // To be called, on the thread of run(), whenever there is a question. Before run().
  void onQuestion(std::function<void()> wake) { wake_ = std::move(wake); }
  // Where it fails or is stopped, the file that was begun is removed; those that were complete stay. NoInterface: none
  // of all inputs was selected.
  Result<> run();
  void stop();

  // One at a time; until it is answered, nothing else happens.
  [[nodiscard]] std::optional<InterfaceQuestion> question() const;
  void answer(bool selected);

  [[nodiscard]] ConvertStats stats() const;
  // When run() has returned.
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
  // Of the present file: numbers by the descriptions, which are the blocks as they are written.
  std::unordered_map<std::string, std::uint32_t> interfaces_;
  std::size_t interfaceBytes_ = 0;
  std::unordered_set<std::string> known_;          // blocks that were copied: the type and the body
  std::vector<const std::string*> passedThrough_;  // of them, to be in every further file
  std::size_t passedThroughBytes_ = 0;
  std::uint64_t selected_ = 0;
  bool lateTimes_ = false;                  // there is a warning of times that pcap cannot tell
  std::optional<Error> failure_;            // of what was written between packets
  std::optional<SavefileInterface> first_;  // of the inputs
  std::uint64_t fileNumber_ = 0;
  std::vector<std::unique_ptr<Input>> inputs_;
  std::vector<std::string> comments_;  // of the packet at hand
  std::vector<CompleteFile> complete_;
  std::vector<std::string> warnings_;
  ConvertStats counted_;  // the thread's own, of which the others are shown a copy now and then
  std::atomic<bool> stopped_{false};
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::optional<InterfaceQuestion> question_;  // under the mutex, as the next one
  std::optional<bool> answer_;
  ConvertStats stats_;           // under the mutex, and so the next two; bytesRead is reckoned when asked for
  std::uint64_t bytesDone_ = 0;  // of inputs that are through
  std::vector<SavefileSource*> open_;
};

}  // namespace ringtap
