// Which sampling and slice apply to a packet, by its block and its time.
#include "core/ledger/reduction_log.h"

#include "core/bpf/sample_filter.h"
#include "support/check.h"

using namespace ringtap;

TEST(theLinesOfAFile) {
  FilterSpec spec;
  CHECK(reductionOf(spec).empty());
  spec.sample = std::make_shared<const SampleFilter>(Sample{1u << 29, 4294967295u});
  CHECK(reductionOf(spec) == Reduction{"sample: flows 0.125, seed 4294967295"});
  spec.slice = Slice::L4;
  CHECK((reductionOf(spec) == Reduction{"sample: flows 0.125, seed 4294967295", "slice: l4"}));
  spec.sample = nullptr;
  spec.slice = Slice::Headers;
  CHECK(reductionOf(spec) == Reduction{"slice: headers"});
}

TEST(aChangeAppliesToLaterPackets) {
  ReductionLog log({});
  CHECK(log.isSteady({0, 1}) && log.at({0, 1}, 5)->empty());
  log.change({"slice: l4"}, {100, {7}});
  log.change({"slice: headers"}, {200, {9}});
  // In blocks that may hold packets of before, the time decides.
  CHECK(log.at({0, 7}, 100)->empty());
  CHECK(*log.at({0, 7}, 101) == Reduction{"slice: l4"});
  CHECK(*log.at({0, 8}, 50) == Reduction{"slice: l4"});
  CHECK(*log.at({0, 9}, 201) == Reduction{"slice: headers"});
  CHECK(*log.at({0, 10}, 1) == Reduction{"slice: headers"});
  CHECK(!log.isSteady({0, 7}) && !log.isSteady({0, 9}) && log.isSteady({0, 10}));
  CHECK(*log.latest() == Reduction{"slice: headers"});
}

TEST(theSameAgainIsNoChange) {
  ReductionLog log({"slice: l4"});
  log.change({"slice: l4"}, {100, {7}});
  CHECK(log.isSteady({0, 7}));
}
