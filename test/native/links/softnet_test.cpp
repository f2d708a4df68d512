// parseSoftnet() is tested alone: a kernel shows only one of the formats, and Softnet only sums.
//
// Parses the kernel's per-processor table in its old and new format, and rejects other content.
#include "core/links/softnet.h"

#include <string>

#include "support/check.h"

using namespace ringtap;

namespace {

std::string line(const std::string& dropped, const std::string& squeezed, const std::string& processor = "") {
  std::string text = "0a0b0c0d " + dropped + " " + squeezed;
  for (int i = 0; i < 8; ++i) text += " 00000000";
  if (!processor.empty()) text += " 00000000 " + processor + " 00000000 00000000";
  return text + "\n";
}

}  // namespace

TEST(everyProcessorHasALine) {
  const auto two = parseSoftnet(line("000000ff", "00000010", "00000000") + line("ffffffff", "00000001", "00000003"));
  CHECK(two && two->size() == 2);
  if (!two) return;
  CHECK(two->at(0).dropped == 255 && two->at(0).timeSqueezed == 16);
  CHECK(two->at(3).dropped == 0xffffffff && two->at(3).timeSqueezed == 1);
}

TEST(linesWithoutProcessorNumbersAreRead) {
  const auto two = parseSoftnet(line("00000001", "00000002") + line("00000003", "00000004"));
  CHECK(two && two->size() == 2 && two->at(0).dropped == 1 && two->at(1).dropped == 3);
}

TEST(otherTextIsRefused) {
  for (const char* text : {"", "\n", "nonsense\n", "00000001 00000002\n", "00000001 00000002 -0000003\n",
                           "00000001 00000002 100000000\n", "00000001 00000002 00000003"}) {
    CHECK(!parseSoftnet(text));
  }
  CHECK(!parseSoftnet(line("00000001", "00000002") + "\n"));
}

TEST(countersMayWrapAndProcessorsComeAndGo) {
  std::optional<std::string> text = line("fffffff0", "00000005", "00000000") + line("00000007", "00000000", "00000001");
  Softnet softnet([&] { return text; });
  CHECK(softnet.stats() && softnet.stats()->dropped == 0 && softnet.stats()->timeSqueezed == 0);
  text = line("00000010", "00000006", "00000000") + line("00000009", "00000000", "00000001");
  CHECK(softnet.stats()->dropped == 34 && softnet.stats()->timeSqueezed == 1);
  text = line("00000011", "00000006", "00000000");  // the second processor goes offline
  CHECK(softnet.stats()->dropped == 35);
  text = line("00000011", "00000006", "00000000") + line("0000000a", "00000000", "00000001") +
         line("00000100", "00000100", "00000002");  // it is online again; a third is new
  CHECK(softnet.stats()->dropped == 36 && softnet.stats()->timeSqueezed == 1);
  text = std::nullopt;
  CHECK(!softnet.stats());
  text = line("00000012", "00000006", "00000000");
  CHECK(softnet.stats()->dropped == 37);
}

TEST(countersUnreadableAtTheStartStayUndefined) {
  std::optional<std::string> text;
  Softnet softnet([&] { return text; });
  text = line("00000012", "00000006", "00000000");
  CHECK(!softnet.stats());
}
