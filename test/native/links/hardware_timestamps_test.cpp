// Which devices stamp packets with a clock of their own. No device of a test machine is sure to have one, so what a
// driver reports is given here.
#include "core/links/hardware_timestamps.h"

#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include "core/util/unique_fd.h"
#include "support/check.h"

using namespace ringtap;

namespace {

ethtool_ts_info driver(std::uint32_t modes) {
  ethtool_ts_info info{};
  info.so_timestamping = modes;
  return info;
}

constexpr std::uint32_t kSoftware = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
constexpr std::uint32_t kHardware = kSoftware | SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;

}  // namespace

TEST(aDriverThatStampsOnlyWhatItSendsHasNone) {
  const auto sent = driver(kSoftware | SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE);
  CHECK(hardwareTimestamps(sent, HWTSTAMP_FILTER_NONE) == HardwareTimestamps::Unsupported);
  CHECK(hardwareTimestamps(driver(kSoftware), std::nullopt) == HardwareTimestamps::Unsupported);
}

TEST(theFilterOfTheDeviceSaysWhichPacketsItStamps) {
  const auto info = driver(kHardware);
  CHECK(hardwareTimestamps(info, HWTSTAMP_FILTER_NONE) == HardwareTimestamps::Off);
  CHECK(hardwareTimestamps(info, HWTSTAMP_FILTER_ALL) == HardwareTimestamps::All);
  CHECK(hardwareTimestamps(info, HWTSTAMP_FILTER_PTP_V2_EVENT) == HardwareTimestamps::Some);
  CHECK(hardwareTimestamps(info, HWTSTAMP_FILTER_SOME) == HardwareTimestamps::Some);
  CHECK(hardwareTimestamps(info, std::nullopt) == HardwareTimestamps::Unknown);
}

TEST(theKernelReportsNoneForLoopback) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(hardwareTimestampsOf(socket.get(), "lo") == HardwareTimestamps::Unsupported);
}

TEST(aDeviceThatIsGoneIsUnknown) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  CHECK(hardwareTimestampsOf(socket.get(), "gone0") == HardwareTimestamps::Unknown);
  CHECK(hardwareTimestampsOf(socket.get(), "a name that is too long") == HardwareTimestamps::Unknown);
}
