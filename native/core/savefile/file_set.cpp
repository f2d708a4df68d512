#include "core/savefile/file_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "core/savefile/pipe_writer.h"
#include "core/util/system.h"

namespace ringtap {

namespace {

constexpr unsigned kMaxTries = 100'000;

// For error messages, which may be shown on a terminal: escapes control characters.
std::string quoted(const std::string& path) {
  std::string text = "\"";
  for (const char letter : path) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte >= 0x20 && byte != 0x7f) {
      text += letter;
      continue;
    }
    char escaped[8];
    ::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    text += escaped;
  }
  return text + "\"";
}

bool exists(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

bool isPipe(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

// Whether the descriptor is no pipe any more, or one that somebody else may have put in the place of a file: the rule
// of the sysctl fs.protected_fifos, which the kernel applies to open(2) with O_CREAT alone.
bool isStrangers(int fd, const std::string& path) {
  struct stat pipe;
  if (::fstat(fd, &pipe) != 0 || !S_ISFIFO(pipe.st_mode)) return true;
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat place;
  if (pipe.st_uid == ::geteuid() || ::stat(folder.c_str(), &place) != 0) return false;
  const bool shared = (place.st_mode & S_ISVTX) != 0 && (place.st_mode & S_IWOTH) != 0;
  return shared && pipe.st_uid != place.st_uid;
}

Error isThere(const std::string& path, const char* syscall) {
  return Error{Code::System, "the file " + quoted(path) + " is there already", EEXIST, syscall};
}

}  // namespace

FileSet::~FileSet() = default;  // an incomplete file keeps its hidden name

bool FileSet::numbered() const {
  const std::string& path = options_.path;
  for (std::size_t at = path.find('%'); at != std::string::npos; at = path.find('%', at + 2)) {
    if (path.compare(at, 2, "%i") == 0) return true;
  }
  return false;
}

std::string FileSet::nameOf(std::uint64_t number) const {
  const time_t now = ::time(nullptr);
  tm utc;
  ::gmtime_r(&now, &utc);
  std::string name;
  for (std::size_t i = 0; i < options_.path.size(); ++i) {
    const char letter = options_.path[i];
    if (letter != '%' || i + 1 == options_.path.size()) {
      name += letter;
      continue;
    }
    const auto digits = [&name](unsigned long long value, int width) {
      char text[24];
      ::snprintf(text, sizeof text, "%0*llu", width, value);
      name += text;
    };
    switch (options_.path[++i]) {
      case 'Y': digits(static_cast<unsigned>(utc.tm_year) + 1900, 4); break;
      case 'm': digits(static_cast<unsigned>(utc.tm_mon) + 1, 2); break;
      case 'd': digits(static_cast<unsigned>(utc.tm_mday), 2); break;
      case 'H': digits(static_cast<unsigned>(utc.tm_hour), 2); break;
      case 'M': digits(static_cast<unsigned>(utc.tm_min), 2); break;
      case 'S': digits(static_cast<unsigned>(utc.tm_sec), 2); break;
      case 'i': digits(number, 6); break;
      default: name += options_.path[i];
    }
  }
  return name;
}

Result<> FileSet::begin() {
  if (options_.standardOutput) {
    file_ = UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!file_) return Error::fromErrno("fcntl", "there is no standard output");
    written_ = 0;
    return {};
  }
  // Files of earlier runs are not replaced, nor are hidden files that a killed process left behind.
  for (unsigned tried = 0; tried < kMaxTries; ++tried) {
    const std::string path = nameOf(++number_);
    if (isPipe(path)) return beginPipe(path);
    if (exists(path)) {
      if (numbered()) continue;
      return isThere(path, "open");
    }
    const std::size_t slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    name_ = path.substr(folder_.size());
    hidden_ = folder_ + "." + name_ + (tried == 0 || numbered() ? "" : "." + std::to_string(tried + 1)) + ".partial";
    file_ = UniqueFd(::open(hidden_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600));
    if (!file_ && errno == EEXIST) continue;
    if (!file_) return Error::fromErrno("open", "the file " + quoted(hidden_) + " could not be made");
    written_ = 0;
    dirty_ = false;
    synced_ = std::chrono::steady_clock::now();
    return {};
  }
  return Error{Code::System, "there is no free name left for " + quoted(options_.path), EEXIST, "open"};
}

// Fails if no program reads the pipe: waiting for one could not be ended.
Result<> FileSet::beginPipe(const std::string& path) {
  UniqueFd pipe(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!pipe) {
    const char* const failed =
        errno == ENXIO ? " has no reader: start the program that reads it first" : " could not be opened";
    return Error::fromErrno("open", "the pipe " + quoted(path) + failed);
  }
  if (isStrangers(pipe.get(), path)) {
    return Error{Code::System,
                 "the pipe " + quoted(path) + " is another user's, in a folder that everybody may write to", EACCES,
                 "open"};
  }
  file_ = std::move(pipe);
  pipe_ = path;
  written_ = 0;
  return {};
}

Result<std::size_t> FileSet::room(std::size_t bytes) {
  if (options_.minimumFree == 0) return bytes;
  for (;;) {
    struct statvfs disk;
    if (::fstatvfs(file_.get(), &disk) != 0) return Error::fromErrno("statvfs");
    const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::uint64_t blocks = free > options_.minimumFree ? (free - options_.minimumFree) / disk.f_frsize : 0;
    const std::uint64_t usable = blocks * disk.f_frsize;
    if (usable >= bytes) return bytes;
    if (kept_.removeOldest()) continue;
    if (usable > 0) return static_cast<std::size_t>(usable);
    return Error{Code::System,
                 "the disk has " + std::to_string(free) + " bytes left, and " + std::to_string(options_.minimumFree) +
                     " are to be left free",
                 ENOSPC, "write"};
  }
}

Result<> FileSet::write(std::span<const std::byte> bytes) {
  if (options_.standardOutput) return writePipe(file_.get(), "standard output", bytes, hurry_, written_);
  if (!pipe_.empty()) return writePipe(file_.get(), "the pipe " + quoted(pipe_), bytes, hurry_, written_);
  struct stat status;
  if (::fstat(file_.get(), &status) == 0 && status.st_nlink == 0) {
    return Error{Code::System, "the file " + quoted(hidden_) + " was removed while it was being written", ENOENT,
                 "write"};
  }
  while (!bytes.empty()) {
    auto allowed = room(bytes.size());
    if (!allowed) return std::move(allowed.error());
    const ssize_t count = ::write(file_.get(), bytes.data(), *allowed);
    if (count < 0) {
      if (errno == EINTR) continue;
      const int number = errno;
      if ((number == ENOSPC || number == EDQUOT) && kept_.removeOldest()) continue;
      errno = number;
      return Error::fromErrno("write", "the file " + quoted(hidden_) + " could not be written");
    }
    written_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  dirty_ = true;
  return {};
}

std::optional<std::chrono::steady_clock::time_point> FileSet::syncDue() const {
  if (options_.sync != FileSetOptions::Sync::Interval || !dirty_ || !file_) return std::nullopt;
  return synced_ + std::chrono::milliseconds(options_.syncMilliseconds);
}

Result<> FileSet::syncIfDue() {
  const auto due = syncDue();
  const auto now = std::chrono::steady_clock::now();
  if (!due || now < *due) return {};
  synced_ = now;
  dirty_ = false;
  return sync();
}

Result<> FileSet::sync() {
  if (syncContent(file_.get()) == 0) return {};
  return Error::fromErrno("fdatasync", "the file " + quoted(hidden_) + " could not be brought to the disk");
}

Result<> FileSet::shorten(std::uint64_t length) {
  if (isStream()) return {};
  if (::ftruncate(file_.get(), static_cast<off_t>(length)) != 0 ||
      ::lseek(file_.get(), static_cast<off_t>(length), SEEK_SET) < 0) {
    return Error::fromErrno("ftruncate", "the file " + quoted(hidden_) + " could not be cut off");
  }
  written_ = length;
  return {};
}

Result<std::string> FileSet::complete() {
  if (isStream()) {
    file_.reset();
    return options_.standardOutput ? std::string("-") : pipe_;
  }
  const bool durable = options_.sync != FileSetOptions::Sync::Never;
  if (durable) {
    if (auto synced = sync(); !synced) return synced.error();
  }
  std::string path = folder_ + name_;
  for (auto named = giveName(path); !named; named = giveName(path)) {
    if (named.error().number != EEXIST || !numbered()) {
      file_.reset();
      return named.error();
    }
    path = nameOf(++number_);  // another file took the name in the meantime
  }
  file_.reset();
  if (durable) {
    // The directory entry has to reach the disk as well.
    const UniqueFd folder(::open(folder_.empty() ? "." : folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) (void)!::fsync(folder.get());
  }
  kept_.add(path);
  return path;
}

bool FileSet::hiddenIsOurs() const {
  struct stat ours;
  struct stat present;
  return ::fstat(file_.get(), &ours) == 0 && ::lstat(hidden_.c_str(), &present) == 0 && ours.st_dev == present.st_dev &&
         ours.st_ino == present.st_ino;
}

// Never replaces an existing file, and never gives the name to a file other than the descriptor's.
Result<> FileSet::giveName(const std::string& path) {
  // Links the descriptor's file, because the hidden name may refer to another file by now.
  const std::string descriptor = "/proc/self/fd/" + std::to_string(file_.get());
  if (::linkat(AT_FDCWD, descriptor.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    if (hiddenIsOurs()) (void)!::unlink(hidden_.c_str());
    return {};
  }
  if (errno == EEXIST) return isThere(path, "link");
  // The file system has no links, /proc is missing, or the file was removed: rename the hidden name instead, if it
  // still refers to this file.
  const std::string failed = "the file " + quoted(hidden_) + " could not be given its name " + quoted(name_);
  if (exists(hidden_) && !hiddenIsOurs()) {
    return Error{Code::System, failed + ": another file was put in its place", ENOENT, "rename"};
  }
  if (renameWithoutReplacing(hidden_, path) == 0) return {};
  if (errno == EINVAL || errno == ENOSYS) {
    // sshfs and others support neither. A file that appears between the check and rename(2) is replaced.
    if (exists(path)) return isThere(path, "rename");
    if (::rename(hidden_.c_str(), path.c_str()) == 0) return {};
  }
  if (errno == EEXIST) return isThere(path, "rename");
  return Error::fromErrno("rename", failed);
}

void FileSet::discard() {
  if (!file_) return;
  if (!isStream() && hiddenIsOurs()) (void)!::unlink(hidden_.c_str());
  file_.reset();
}

void FileSet::abandon() {
  if (written_ == 0) discard();
  file_.reset();
}

}  // namespace ringtap
