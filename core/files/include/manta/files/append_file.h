// A file that grows by whole records, and whose failures do not stop a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include <manta/error.h>

namespace manta::files {

/// **Threading**: one thread at a time. **Ownership**: it closes the file. **Errors**: see each method.
class AppendFile {
 public:
  /// Opens or makes the file; what it holds stays up to `keep` bytes. `before` is the first failure of a file that this
  /// one replaced. Throws Error.
  explicit AppendFile(std::filesystem::path path, std::uint64_t keep = UINT64_MAX,
                      std::optional<Error> before = std::nullopt);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// False where they could not be written; then the file is as long as before.
  bool append(std::string_view records);
  /// As if append had failed so: the first one is printed on the standard error and kept.
  void failed(const Error& error);
  const std::optional<Error>& error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_ = 0;
  std::optional<Error> error_;
};

}  // namespace manta::files
