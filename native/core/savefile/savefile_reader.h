// Reads a savefile on a thread of its own, which unpacks, parses and fills chunks. It runs ahead of JavaScript by at
// most the pool's number of chunks.
//
// Life: constructor → start() → next…() → close(). close() and the destructor wait for the thread (for a read in
// progress, or a filter being compiled) and belong on a worker thread; all other calls return quickly.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/block/block_pool.h"
#include "core/savefile/byte_source.h"
#include "core/savefile/savefile_filter.h"
#include "core/savefile/savefile_parser.h"
#include "core/util/result.h"
#include "core/util/thread.h"

namespace ringtap {

struct SavefileConfig {
  std::size_t chunkSize = 1 << 20;
  std::size_t chunkCount = 4;
  int maxDelayMilliseconds = 20;  // how long a part-filled chunk waits for the source's next bytes
  std::uint32_t snapshotLength = 262144;
  std::optional<std::string> filter;
  bool selecting = false;  // each interface waits for decide()
  bool packetOptions = true;
  std::vector<std::uint32_t> keep;  // block types to keep; kOtherBlocks: types that have no name here
  std::size_t keepMemory = 0;       // bytes of all kept blocks together; of one, kLargestKept at most
};
inline constexpr std::uint32_t kOtherBlocks = 0;
inline constexpr std::size_t kLargestKept = std::size_t{16} << 20;

// The file's format is known, and the first packet or the end of the bytes available so far was reached.
struct SavefileReady {};
struct SavefileWarning {
  std::string text;
};
using SavefileEvent = std::variant<SavefileReady, SavefileWarning, FileSection, FileInterface, FileBlock>;

struct SavefileChunk {
  std::unique_ptr<PooledBlock> block;
  std::uint64_t events = 0;    // events that precede it, counted from the start
  std::uint64_t position = 0;  // bytes of the file, as stored, that were read up to its end
};

struct SavefileStats {
  std::uint64_t bytesRead = 0;  // as stored
  std::uint64_t unpacked = 0;   // bytes parsed or skipped, of the unpacked file
  ParserStats parser;
};

class SavefileReader final : private SavefileListener {
 public:
  // `wake` is called on the reader's thread, without a lock held, when there is a chunk or event to take.
  SavefileReader(SavefileConfig config, std::unique_ptr<ByteSource> source, std::function<void()> wake);
  ~SavefileReader();
  // Starts reading. Call once. System: the thread cannot be created.
  Result<> start();

  // Takes the next event, in file order. A caller that takes events only on Next::EventsFirst gets every event before
  // the packets it applies to, and no event that follows the next chunk's packets. After a section with `fresh` set,
  // earlier sections are no longer needed.
  [[nodiscard]] std::optional<SavefileEvent> nextEvent();
  enum class Next { Chunk, EventsFirst, Empty, Finished };
  // Empty: nothing to take yet; `wake` will be called. Finished: the thread has ended; failure() returns its error, or
  // nothing if the end of the file was reached.
  Next nextChunk(std::optional<SavefileChunk>& out);
  [[nodiscard]] std::optional<Error> failure() const;
  // Answers a FileInterface event. With `selecting`, the reader waits for the answer.
  void decide(std::uint32_t index, bool selected);
  [[nodiscard]] SavefileStats stats() const;
  // Requests the thread to end, without waiting for it. When it has ended, `wake` is called one last time.
  void stop();
  // Whether the thread has ended or was never started: close() does not wait then.
  [[nodiscard]] bool ended() const;
  // Ends the thread and waits for it. Chunks that were taken stay readable. Idempotent.
  void close();

 private:
  void run();
  Result<> work();
  Result<> parseAll(CountedSource& packed, CountedSource& plain);
  Result<> skip(CountedSource& plain, std::uint64_t amount);
  Result<> fetch(CountedSource& plain, std::size_t needed, bool& ended);
  Result<> enlargeBuffer(std::size_t size);
  Result<bool> newChunk();
  void handOver();
  void pushReady();
  void push(SavefileEvent event);
  [[nodiscard]] bool eventsTaken() const;  // enough that more may be pushed; under the mutex
  void note(const CountedSource& packed, const CountedSource& plain);

  Result<> section(FileSection section) override;
  Result<InterfaceRule> interface(FileInterface interface) override;
  bool wanted(std::uint32_t type, std::size_t bytes, std::uint64_t offset) override;
  Result<> block(FileBlock block) override;
  void warning(std::string text) override;

  const SavefileConfig config_;
  const std::unique_ptr<ByteSource> source_;
  const std::function<void()> wake_;
  const std::shared_ptr<BlockPool> pool_;

  // Used by the thread only.
  std::unique_ptr<SavefileParser> parser_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t bufferSize_ = 0;
  std::size_t begin_ = 0;  // offset of the first unparsed byte in buffer_
  std::size_t end_ = 0;
  BlockFiller filler_;
  std::unique_ptr<PooledBlock> block_;
  std::uint64_t position_ = 0;
  bool compressed_ = false;
  std::size_t described_ = 0;       // sections and interfaces since the last fresh section
  std::size_t describedBytes_ = 0;  // bytes of their options
  bool sections_ = false;
  bool interfaces_ = false;
  bool ready_ = false;
  bool keepFull_ = false;
  std::size_t kept_ = 0;
  SavefileFilter filter_;
  bool bigEndian_ = false;  // the section's byte order

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SavefileEvent> events_;
  std::size_t eventBytes_ = 0;
  std::deque<SavefileChunk> chunks_;
  std::uint64_t pushedEvents_ = 0;
  std::uint64_t takenEvents_ = 0;
  std::unordered_map<std::uint32_t, bool> decided_;
  std::optional<Error> failure_;
  SavefileStats stats_;
  bool armed_ = true;
  bool eventsAnnounced_ = false;
  bool finished_ = false;
  bool closed_ = false;
  Thread thread_;
};

}  // namespace ringtap
