#include <manta/files/append_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <manta/files/file.h>

namespace manta::files {

AppendFile::AppendFile(std::filesystem::path path, std::uint64_t keep, std::optional<Error> before)
    : path_(std::move(path)),
      descriptor_(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)),
      error_(std::move(before)) {
  if (descriptor_ < 0) throw file_error(path_, "cannot be made", errno);
  const off_t end = lseek(descriptor_, 0, SEEK_END);
  size_ = std::min(keep, static_cast<std::uint64_t>(std::max<off_t>(end, 0)));
  if (end < 0 || ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) {
    const int error = errno;
    close(descriptor_);
    throw file_error(path_, "cannot be written", error);
  }
}

AppendFile::~AppendFile() { close(descriptor_); }

bool AppendFile::append(std::string_view records) {
  std::uint64_t at = size_;
  while (!records.empty()) {
    const ssize_t written = pwrite(descriptor_, records.data(), records.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      // Half a record would hide all that come after it from a reader.
      [[maybe_unused]] const int ignored = ftruncate(descriptor_, static_cast<off_t>(size_));
      failed(file_error(path_, "cannot be written", error));
      return false;
    }
    records.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  size_ = at;
  return true;
}

void AppendFile::failed(const Error& error) {
  if (error_) return;
  error_ = error;
  std::fprintf(stderr, "manta: %s The run goes on; what cannot be written is left out.\n", error.what());
}

}  // namespace manta::files
