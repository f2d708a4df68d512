// A recorder that writes owners: what it waits for, and what it does not wait for.
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "core/util/clock.h"
#include "support/check.h"
#include "support/eventually.h"
#include "support/owner_source.h"
#include "support/recorder_bench.h"

using namespace ringtap;
using support::Bench;
using support::eventually;
using support::kSecond;
using support::Owners;

namespace {

support::MadeRecord packetOfNow() { return support::packet(static_cast<std::uint32_t>(realNow() / kSecond)); }

// Ends the recording, and returns its one file.
std::string fileOf(Bench& bench) {
  bench.outlet.detach(*bench.recorder);
  bench.recorder->finish(false);
  bench.recorder->join();
  std::ifstream file(bench.folder.file("000001.pcapng"), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool has(const std::string& file, const char* text) { return file.find(text) != std::string::npos; }

struct Fixture {
  std::shared_ptr<Owners> owners = std::make_shared<Owners>(realNow() - 100 * kSecond);
  Bench bench{{}, nullptr, owners};

  Fixture() { bench.start(); }
};

}  // namespace

TEST(a_block_waits_for_the_list_that_has_its_owners) {
  Fixture f;
  f.bench.push({packetOfNow()});
  CHECK(eventually([&] { return f.owners->asked == 1; }));
  f.owners->connect(realNow());
  CHECK(eventually([&] { return f.bench.recorder->stats().packets == 1; }));
  // Of a known connection, none is waited for.
  f.bench.push({packetOfNow(), packetOfNow()});
  CHECK(eventually([&] { return f.bench.recorder->stats().packets == 3; }));
  CHECK(f.owners->asked == 1);
  const std::string file = fileOf(f.bench);
  CHECK(has(file, "curl(7) > nginx(8)"));
}

TEST(a_list_that_does_not_come_is_not_waited_for_long) {
  Fixture f;
  f.bench.push({packetOfNow()});
  CHECK(eventually([&] { return f.bench.recorder->stats().packets == 1; }));
  CHECK(f.owners->asked == 1);
  CHECK(!has(fileOf(f.bench), " > "));
}

TEST(old_packets_and_those_of_nobody_do_not_wait) {
  Fixture f;
  f.bench.push({support::packet(static_cast<std::uint32_t>(realNow() / kSecond - 50))});
  CHECK(eventually([&] { return f.bench.recorder->stats().packets == 1; }));
  const std::uint64_t asked = f.owners->asked;
  f.bench.push(1, 2);  // not IP
  CHECK(eventually([&] { return f.bench.recorder->stats().packets == 3; }));
  CHECK(f.owners->asked == asked);
  CHECK(!has(fileOf(f.bench), " > "));
}

TEST(owners_that_end_and_a_capture_that_closes_end_the_wait) {
  {
    Fixture f;
    f.bench.push({packetOfNow()});
    CHECK(eventually([&] { return f.owners->asked == 1; }));
    f.owners->closed = true;
    CHECK(eventually([&] { return f.bench.recorder->stats().packets == 1; }));
    f.bench.push({packetOfNow()});
    CHECK(eventually([&] { return f.bench.recorder->stats().packets == 2; }));
    CHECK(f.owners->asked == 1);
  }
  Fixture f;
  f.bench.push({packetOfNow()});
  CHECK(eventually([&] { return f.owners->asked == 1; }));
  f.bench.outlet.detach(*f.bench.recorder);
  f.bench.recorder->finish(true);
  f.bench.recorder->join();
  CHECK(f.bench.recorder->stats().packets == 1);
}
