#include "core/record/stream_output.h"

#include <vector>

namespace ringtap {

Result<> StreamOutput::flush() {
  std::vector<RecordingStream::Cut>& cuts = stream_.cuts();
  std::size_t from = 0;
  std::ptrdiff_t completed = 0;
  Result<> done{};
  for (const RecordingStream::Cut& cut : cuts) {
    done = write(from, cut.end, cut.counts);
    if (done) done = complete(cut);
    if (!done) break;
    from = cut.end;
    ++completed;
    done = target_.begin();
    if (!done) break;
  }
  // At once: a block may have thousands of files.
  cuts.erase(cuts.begin(), cuts.begin() + completed);
  if (done) done = write(from, stream_.sink().size(), stream_.counts());
  if (done) stream_.sink().clear();
  return done;
}

Result<> StreamOutput::end() {
  if (stream_.sink().size() > 0) {
    if (auto flushed = flush(); !flushed) return flushed;
  }
  stream_.cut();
  const RecordingStream::Cut& last = stream_.cuts().front();
  // The file was begun in advance, and there are no packets and no losses to write into it.
  const bool silent = last.end == 0 || stream_.format() == SavefileFormat::Pcap;
  if (silent && last.counts.packets == 0 && !target_.keepsEmpty(last)) {
    target_.discard();
    return {};
  }
  if (auto written = write(0, last.end, last.counts); !written) return written;
  if (auto done = complete(last); !done) return done;
  stream_.cuts().clear();
  return {};
}

// The sink's bytes from `from` to `to`, all of one file. `counts`: the file's, including them.
Result<> StreamOutput::write(std::size_t from, std::size_t to, const SavefileCounts& counts) {
  if (from == to) return {};
  return target_.write(stream_.sink().bytes().subspan(from, to - from), counts);
}

Result<> StreamOutput::complete(const RecordingStream::Cut& cut) {
  if (auto done = target_.complete(cut); !done) return done;
  onComplete_();
  return {};
}

}  // namespace ringtap
