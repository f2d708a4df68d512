// The files of a recording: when they are synced to disk, their names, and how many are kept.
#include "core/savefile/file_set.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "support/check.h"
#include "support/folder.h"

using namespace ringtap;
using namespace std::chrono_literals;

namespace {

// The syncs requested, in order: "data NAME" or "folder".
std::vector<std::string> synced;

std::string nameOf(int fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).filename().string();
}

}  // namespace

// Override the C library's functions: record the call and perform it.
extern "C" int fdatasync(int fd) {
  synced.push_back("data " + nameOf(fd));
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" int fsync(int fd) {
  struct stat status {};
  synced.push_back(::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? "folder" : "whole " + nameOf(fd));
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace {

// The files' folder; clears the list of syncs.
class Folder final : public support::Folder {
 public:
  Folder() { synced.clear(); }

  [[nodiscard]] FileSetOptions options(FileSetOptions::Sync sync) const {
    FileSetOptions options;
    options.path = file("trace-%i.pcap");
    options.sync = sync;
    return options;
  }
};

using Names = std::vector<std::string>;

// The descriptor of a file that is open; -1 if there is none.
int descriptorOf(const std::string& path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code failed;
    if (std::filesystem::read_symlink(entry.path(), failed) == path) return std::stoi(entry.path().filename());
  }
  return -1;
}

bool write(FileSet& files, std::size_t bytes) {
  const std::vector<std::byte> content(bytes, std::byte{7});
  return files.write(content).ok();
}

}  // namespace

TEST(withSyncNeverNothingIsSynced) {
  const Folder folder;
  FileSet files(folder.options(FileSetOptions::Sync::Never));
  CHECK(files.begin().ok() && write(files, 100'000));
  CHECK(!files.syncDue());
  CHECK(files.syncIfDue().ok());
  CHECK(files.complete().ok());
  CHECK(synced.empty());
}

TEST(aCompleteFileIsOnTheDiskBeforeItHasItsName) {
  const Folder folder;
  FileSet files(folder.options(FileSetOptions::Sync::File));
  for (int i = 0; i < 2; ++i) {
    CHECK(files.begin().ok() && write(files, 100'000) && write(files, 1));
    CHECK(!files.syncDue());
    CHECK(files.complete().ok());
  }
  // First the content, under the name of an incomplete file; then the rename.
  CHECK(synced == Names{"data .trace-000001.pcap.partial", "folder", "data .trace-000002.pcap.partial", "folder"});
  CHECK(folder.names() == Names{"trace-000001.pcap", "trace-000002.pcap"});
}

// Time itself is the subject here: the interval between syncs.
TEST(withSyncIntervalAFileIsSyncedWhileItIsWritten) {
  const Folder folder;
  FileSetOptions options = folder.options(FileSetOptions::Sync::Interval);
  options.syncMilliseconds = 5;
  FileSet files(options);
  CHECK(files.begin().ok());
  CHECK(!files.syncDue());  // nothing to sync
  const auto interval = [] { std::this_thread::sleep_for(6ms); };
  interval();
  CHECK(write(files, 10));
  CHECK(files.syncDue() && *files.syncDue() <= std::chrono::steady_clock::now());
  CHECK(files.syncIfDue().ok());
  CHECK(synced.size() == 1);
  CHECK(!files.syncDue());
  interval();
  CHECK(files.syncIfDue().ok());
  CHECK(synced.size() == 1);  // nothing was written since
  CHECK(write(files, 10));
  std::this_thread::sleep_until(*files.syncDue());
  CHECK(files.syncIfDue().ok());
  CHECK(synced.size() == 2);
  CHECK(files.complete().ok());
  CHECK(synced.size() == 4 && synced.back() == "folder");
}

TEST(onlyTheLatestFilesAreKept) {
  const Folder folder;
  FileSetOptions options = folder.options(FileSetOptions::Sync::Never);
  options.keep = 2;
  FileSet files(options);
  for (int i = 0; i < 4; ++i) CHECK(files.begin().ok() && write(files, 10) && files.complete().ok());
  CHECK(files.begin().ok());
  CHECK(folder.names() == Names{".trace-000005.pcap.partial", "trace-000003.pcap", "trace-000004.pcap"});
  files.discard();
  CHECK(folder.names() == Names{"trace-000003.pcap", "trace-000004.pcap"});
}

TEST(onlyTheFileThatWasWrittenGetsTheName) {
  const Folder folder;
  FileSet files(folder.options(FileSetOptions::Sync::Never));
  const std::string hidden = folder.file(".trace-000001.pcap.partial");
  const auto replace = [&hidden] {
    std::filesystem::remove(hidden);
    const UniqueFd other(::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
    return ::write(other.get(), "not ours", 8) == 8;
  };
  // The file was removed and another one created under its name.
  CHECK(files.begin().ok() && write(files, 10) && replace());
  const auto named = files.complete();
  CHECK(!named && named.error().number == ENOENT && std::string(named.error().syscall) == "rename");
  CHECK(folder.names() == Names{".trace-000001.pcap.partial"});
  CHECK(std::filesystem::file_size(hidden) == 8);

  // The other file must not be removed either.
  std::filesystem::remove(hidden);
  FileSet again(folder.options(FileSetOptions::Sync::Never));
  CHECK(again.begin().ok() && write(again, 10) && replace());
  again.discard();
  CHECK(std::filesystem::file_size(hidden) == 8);

  // Our file was renamed by another program: it still receives its final name.
  std::filesystem::remove(hidden);
  FileSet moved(folder.options(FileSetOptions::Sync::Never));
  CHECK(moved.begin().ok() && write(moved, 10));
  std::filesystem::rename(hidden, folder.file("elsewhere"));
  const UniqueFd other(::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
  CHECK(moved.complete().ok());
  CHECK(std::filesystem::file_size(folder.file("trace-000001.pcap")) == 10);
  CHECK(std::filesystem::file_size(hidden) == 0);
}

TEST(anAbandonedFileKeepsWhatWasWritten) {
  const Folder folder;
  FileSet files(folder.options(FileSetOptions::Sync::Never));
  CHECK(files.begin().ok());
  files.abandon();
  CHECK(folder.names().empty());
  CHECK(files.begin().ok() && write(files, 10));
  files.abandon();
  CHECK(folder.names() == Names{".trace-000002.pcap.partial"});
}

TEST(anErrorShowsNoControlCharacters) {
  const Folder folder;
  FileSetOptions options;
  options.path = folder.file("a\x1b[2J\n\x7f.pcap");
  FileSet files(options);
  FileSet second(options);
  CHECK(files.begin().ok() && second.begin().ok() && files.complete().ok());
  const auto named = second.complete();
  CHECK(!named && named.error().number == EEXIST);
  CHECK(named.error().message.find("a\\x1b[2J\\x0a\\x7f.pcap") != std::string::npos);
  second.discard();
}

TEST(filesThatAreHeldAreNotRemovedBeforeTheyAreReleased) {
  const support::Folder folder;
  FileSet files({.path = folder.file("%i"), .keep = 2, .held = true});
  const auto write = [&] {
    CHECK(files.begin().ok());
    CHECK(files.write(std::as_bytes(std::span("x", 1))).ok());
    CHECK(files.complete().ok());
  };
  for (int i = 0; i < 4; ++i) write();
  using Names = std::vector<std::string>;
  CHECK((folder.names() == Names{"000001", "000002", "000003", "000004"}));
  files.release();
  CHECK((folder.names() == Names{"000002", "000003", "000004"}));
  files.release();
  CHECK((folder.names() == Names{"000003", "000004"}));
  files.release();  // as many as are kept
  CHECK((folder.names() == Names{"000003", "000004"}));
  write();
  CHECK((folder.names() == Names{"000004", "000005"}));
  write();
  CHECK((folder.names() == Names{"000004", "000005", "000006"}));
  for (int i = 0; i < 4; ++i) files.release();  // more than there are files
  CHECK((folder.names() == Names{"000005", "000006"}));
}

TEST(aHeldFileIsNotRemovedForSpaceEither) {
  const support::Folder folder;
  FileSet files({.path = folder.file("%i"), .keep = 5, .held = true, .minimumFree = ~0ull >> 1});
  CHECK(files.begin().ok());
  CHECK(files.complete().ok());
  CHECK(files.begin().ok());
  auto refused = files.write(std::as_bytes(std::span("x", 1)));
  CHECK(!refused.ok() && refused.error().number == ENOSPC && folder.names().size() == 2);
  files.release();
  refused = files.write(std::as_bytes(std::span("x", 1)));
  CHECK(!refused.ok() && refused.error().number == ENOSPC && folder.names().size() == 1);
  files.discard();
}

TEST(aFileThatCannotBeRemovedDoesNotKeepTheOthers) {
  const support::Folder folder;
  FileSet files({.path = folder.file("%i"), .keep = 5, .minimumFree = ~0ull >> 1});
  for (int i = 0; i < 3; ++i) CHECK(files.begin().ok() && files.complete().ok());
  std::filesystem::remove(folder.file("000001"));
  std::filesystem::create_directory(folder.file("000001"));  // unlink(2) refuses it
  CHECK(files.begin().ok());
  const auto refused = files.write(std::as_bytes(std::span("x", 1)));
  CHECK(!refused.ok() && refused.error().number == ENOSPC);
  CHECK((folder.names() == Names{".000004.partial", "000001"}));
  files.discard();
}

TEST(aFullDiskIsReportedAlthoughNoFileCanBeRemoved) {
  const support::Folder folder;
  FileSet files({.path = folder.file("%i"), .keep = 5});
  CHECK(files.begin().ok() && files.complete().ok());
  std::filesystem::remove(folder.file("000001"));
  std::filesystem::create_directory(folder.file("000001"));  // unlink(2) refuses it, with another error number
  CHECK(files.begin().ok());
  const int file = descriptorOf(folder.file(".000002.partial"));
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  CHECK(full && ::dup2(full.get(), file) == file);
  const auto refused = files.write(std::as_bytes(std::span("x", 1)));
  CHECK(!refused.ok() && refused.error().number == ENOSPC);
}
