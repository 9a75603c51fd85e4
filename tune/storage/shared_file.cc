#include "tune/storage/shared_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include <manta/files/file.h>

namespace manta::tune::detail {

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr auto kFirstPause = std::chrono::microseconds(100);
constexpr auto kLongestPause = std::chrono::milliseconds(20);
constexpr auto kGrace = std::chrono::seconds(30);    // Optuna's
constexpr auto kSilence = std::chrono::seconds(10);  // before a wait is said
constexpr std::size_t kBlock = 1 << 20;

// When the file behind the lock changed last; nothing where there is no lock.
std::optional<timespec> changed(const fs::path& lock) {
  struct stat info {};
  if (::stat(lock.c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim;
}

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// Removes the lock, whichever program holds it; of several that try, one does.
void remove_lock(const fs::path& lock) {
  const fs::path aside = lock.string() + std::to_string(::getpid()) + ".rename";
  std::error_code ignored;
  fs::rename(lock, aside, ignored);
  if (!ignored) fs::remove(aside, ignored);
}

}  // namespace

SharedFile::SharedFile(fs::path path)
    : path_(std::move(path)),
      lock_path_(path_.string() + ".lock"),
      descriptor_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) refuse("cannot be made", errno);
  // SHARE-2: the text of this program's locks, by another way to the same file.
  std::error_code none;
  if (fs::read_symlink(lock_path_, none) == "./" + path_.filename().string()) remove_lock(lock_path_);
}

SharedFile::~SharedFile() {
  if (locked_) unlock();
  ::close(descriptor_);
}

void SharedFile::refuse(std::string_view what, int error) const { throw files::file_error(path_, what, error); }

void SharedFile::lock() {
  const std::string text = "./" + path_.filename().string();
  const Clock::time_point start = Clock::now();
  Clock::time_point since = start;
  bool said = false;
  std::optional<timespec> seen;
  std::chrono::microseconds pause = kFirstPause;
  while (::symlink(text.c_str(), lock_path_.c_str()) != 0) {
    if (errno != EEXIST) throw files::file_error(lock_path_, "cannot be made", errno);
    const Clock::time_point now = Clock::now();
    const std::optional<timespec> change = changed(lock_path_);
    if (change && (!seen || !same(*seen, *change))) {
      seen = change;
      since = now;
    }
    if (!said && now - start > kSilence) {
      said = true;
      std::fprintf(
          stderr,
          "manta: the study waits for the lock %s, which another program holds. It is broken once that program "
          "has written nothing for 30 s. Next: see whether a program that uses %s hangs.\n",
          lock_path_.c_str(), path_.c_str());
    }
    if (now - since > kGrace) {
      std::fprintf(stderr, "manta: the lock %s is broken: the program that held it has written nothing for 30 s.\n",
                   lock_path_.c_str());
      remove_lock(lock_path_);
      since = now;
      continue;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::microseconds>(pause * 2, kLongestPause);
  }
  locked_ = true;
}

void SharedFile::unlock() {
  locked_ = false;
  remove_lock(lock_path_);
}

std::string SharedFile::read_new() {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) refuse("cannot be read", errno);
  if (static_cast<std::uint64_t>(info.st_size) == read_) return {};
  std::string text;
  for (std::uint64_t at = read_;;) {
    const std::size_t before = text.size();
    text.resize(before + kBlock);
    const ssize_t got = ::pread(descriptor_, text.data() + before, kBlock, static_cast<off_t>(at));
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse("cannot be read", errno);
    if (got == 0) break;
    at += static_cast<std::uint64_t>(got);
  }
  const std::size_t whole = text.rfind('\n') + 1;  // npos + 1 is 0
  if (locked_ && whole < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(read_ + whole)) != 0) {
    refuse("cannot be written", errno);
  }
  text.resize(whole);
  read_ += whole;
  return text;
}

bool SharedFile::append(std::string_view lines) {
  std::uint64_t at = read_;
  while (!lines.empty()) {
    const ssize_t written = ::pwrite(descriptor_, lines.data(), lines.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // Half a record would hide all that come after it from a reader.
      if (::ftruncate(descriptor_, static_cast<off_t>(read_)) != 0) refuse("cannot be cut", errno);
      if (!failure_) {
        failure_ = files::file_error(path_, "cannot be written", error);
        std::fprintf(stderr, "manta: %s The study goes on, and tries again.\n", failure_->what());
      }
      return false;
    }
    lines.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  read_ = at;
  return true;
}

}  // namespace manta::tune::detail
