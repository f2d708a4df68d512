// Makes savefiles of savefiles: puts several together, by time or one after the other; takes what a filter accepts;
// divides what comes out into several files; writes the other format.
//
// Owner: the thread that calls run(); stop() and figures() may be called from any thread meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/file_set.h"
#include "core/result.h"
#include "core/savefile_source.h"
#include "core/savefile_writer.h"

namespace ringtap {

struct ConvertOptions {
  std::vector<std::string> inputs;
  // Always the packet that is the earliest of those that are next in their files; of equal ones, that of the file named
  // first. Otherwise file after file.
  bool byTime = true;
  std::optional<std::string> filter;
  FileSetOptions files;
  SavefileForm form;
  // When a file is complete: before the packet with which it would be larger, hold more, or reach further from its
  // first one. 0: never.
  std::uint64_t mostBytes = 0;
  std::uint64_t mostPackets = 0;
  std::uint64_t mostNanoseconds = 0;
};

struct ConvertFigures {
  std::uint64_t packets = 0;  // taken from the inputs: those that the filter accepts
  std::uint64_t written = 0;
  std::uint64_t otherLinkType = 0;  // pcap: not written, for the file is of another link type
  std::uint64_t bytesRead = 0;      // of the inputs, as stored
  std::uint64_t bytesTotal = 0;     // of the inputs opened so far
};

struct ConvertedFile {
  std::string path;
  SavefileCounts counts;
};

class SavefileConverter {
 public:
  explicit SavefileConverter(ConvertOptions options);
  ~SavefileConverter();

  // Where it fails or is stopped, the file that was begun is removed; those that were complete stay.
  Result<> run();
  void stop();

  [[nodiscard]] ConvertFigures figures() const;
  // When run() has returned.
  [[nodiscard]] const std::vector<ConvertedFile>& files() const { return complete_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  class Input;

  Result<> convert();
  Result<> mergeByTime();
  Result<> append();
  Result<std::unique_ptr<Input>> openInput(const std::string& path);
  Result<> take(Input& input);
  [[nodiscard]] bool full(std::uint32_t interface, const Record& record, std::uint64_t timestamp) const;
  std::uint32_t idOf(Input& input, std::uint32_t interface);
  Result<> beginFile();
  Result<> endFile();
  Result<> flush();
  void note();

  const ConvertOptions options_;
  ByteSink sink_;
  FileSet files_;
  SavefileWriter writer_;
  std::vector<SavefileInterface> interfaces_;  // of the present file, by number
  std::optional<SavefileInterface> first_;     // of the inputs
  std::uint64_t fileNumber_ = 0;
  std::vector<std::unique_ptr<Input>> inputs_;
  std::vector<std::string> comments_;  // of the packet at hand
  std::vector<ConvertedFile> complete_;
  std::vector<std::string> warnings_;
  std::uint64_t bytesDone_ = 0;  // of inputs that are through
  ConvertFigures counted_;       // the thread's own, of which the others are shown a copy now and then
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;
  ConvertFigures figures_;             // under the mutex
  std::vector<SavefileSource*> open_;  // under the mutex
};

}  // namespace ringtap
