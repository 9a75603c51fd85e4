#include <manta/files/file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

namespace manta::files {

Error file_error(const std::filesystem::path& path, std::string_view what, int error) {
  ErrorCode code = ErrorCode::invalid_argument;
  const char* next = "see that the path is right and yours to use";
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      code = ErrorCode::exhausted;
      next = "free some space, or name a folder on another disk";
      break;
    case ENOENT:
      code = ErrorCode::not_found;
      next = "see that the path is right";
      break;
    case EIO:
      code = ErrorCode::unavailable;
      next = "see whether the disk works";
      break;
    default:
      break;
  }
  return {code, path.string() + ": " + std::string(what) + ": " + std::generic_category().message(error) +
                    ". Next: " + next + "."};
}

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw file_error(path_, "cannot be made", errno);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void OutputFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, at, std::min<std::size_t>(bytes, 1 << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw file_error(path_, "cannot be written", errno);
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void OutputFile::finish() {
  if (fsync(descriptor_) != 0) throw file_error(path_, "cannot be written", errno);
  if (close(std::exchange(descriptor_, -1)) != 0) throw file_error(path_, "cannot be written", errno);
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw file_error(folder, "cannot be opened", errno);
  // Some file systems have no fsync of folders and say EINVAL: there is nothing more to be done then.
  const int error = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  close(descriptor);
  if (error != 0) throw file_error(folder, "cannot be made durable", error);
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw file_error(path, "cannot be opened", errno);
  std::string content;
  struct stat about {};
  int error = fstat(descriptor, &about) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(about.st_mode)) error = EISDIR;
  while (error == 0 && content.size() <= limit) {
    const std::size_t before = content.size();
    content.resize(before + (1 << 16));
    const ssize_t got = read(descriptor, content.data() + before, 1 << 16);
    content.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) error = errno;
  }
  close(descriptor);
  if (error != 0) throw file_error(path, "cannot be read", error);
  if (content.size() > limit) throw file_error(path, "has more than " + std::to_string(limit) + " bytes", EINVAL);
  return content;
}

void make_folders(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && !folder.empty() && !std::filesystem::is_directory(folder))
    error = std::make_error_code(std::errc::not_a_directory);
  if (error && !folder.empty()) throw file_error(folder, "cannot be made", error.value());
}

std::filesystem::path make_dated_folder(const std::filesystem::path& parent, std::string_view prefix) {
  make_folders(parent);
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char date[32];
  std::strftime(date, sizeof date, "_%Y-%m-%d_%H-%M-%S", &local);
  const std::string name = std::string(prefix) + date;
  for (int count = 1;; ++count) {
    const std::filesystem::path folder = parent / (count == 1 ? name : name + "_" + std::to_string(count));
    std::error_code error;
    if (std::filesystem::create_directory(folder, error)) return folder;
    if (error) throw file_error(folder, "cannot be made", error.value());
  }
}

}  // namespace manta::files
