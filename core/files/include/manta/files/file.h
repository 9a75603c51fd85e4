// Files that are written whole, or said to have failed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include <manta/error.h>

namespace manta::files {

/// The error for an errno: "FILE: what: why. Next: ...". exhausted where space or a quota is used up, not_found where
/// nothing is there, invalid_argument else.
Error file_error(const std::filesystem::path& path, std::string_view what, int error);

/// A new file, written from its start to its end. What was there is replaced.
///
/// **Ownership**: it closes the file. **Errors**: all throw Error; the file then stays as far as it was written.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t bytes);
  /// Returns when the disk has it all.
  void finish();

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// Makes the names in a folder durable.
void sync_folder(const std::filesystem::path& folder);

/// Throws Error for a file that cannot be read or has more than limit bytes.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

/// Makes the folder and those above it, where they are missing.
void make_folders(const std::filesystem::path& folder);

/// Makes the folder PREFIX_DATE_TIME in `parent`, with _2, _3 and so on where it exists: each caller gets its own.
std::filesystem::path make_dated_folder(const std::filesystem::path& parent, std::string_view prefix);

}  // namespace manta::files
