// A file of lines that several programs append to, by the rules of Optuna's JournalFileBackend.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <manta/error.h>

namespace manta::tune::detail {

/// Appends happen under Optuna's own lock: a symbolic link FILE.lock that names FILE (JournalFileSymlinkLock), made to
/// take it, renamed and removed to give it back. Readers take no lock: a last line without its end is one that is being
/// written, or whose writer died.
///
/// SHARE-1: between lock() and unlock() this program alone writes, and read_new() has returned all that others wrote.
/// SHARE-2: a lock whose file has not changed for 30 s belongs to a process that died, as in Optuna, and is broken. A
///          lock of a dead Manta program is known by its text, and is broken at once: StudyFolder admits one at a time.
///
/// **Threading**: one thread. **Ownership**: it closes the file. **Errors**: the constructor, lock() and read_new()
/// throw Error; see append(). Not synced to the disk: what was appended survives the death of the program, not that of
/// the machine.
class SharedFile {
 public:
  /// Opens or makes the file.
  explicit SharedFile(std::filesystem::path path);
  ~SharedFile();
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  /// Blocks until this program has the lock; says so on the standard error once a wait has taken 10 s.
  void lock();
  void unlock();

  /// The whole lines that were not read before, own ones left out. Under the lock, it drops a last line without its
  /// end.
  std::string read_new();
  /// Under the lock, after read_new(). False where the lines could not be written: the file is as it was before. The
  /// first failure is printed on the standard error and kept.
  [[nodiscard]] bool append(std::string_view lines);

  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void refuse(std::string_view what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path lock_path_;
  int descriptor_;
  bool locked_ = false;
  std::uint64_t read_ = 0;  // bytes of whole lines, known here
  std::optional<Error> failure_;
};

}  // namespace manta::tune::detail
