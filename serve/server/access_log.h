// One line for each response, in the combined log format's first part, with the seconds it took at the end.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace manta::serve {

// Threading: one thread. Ownership: of the file.
class AccessLog {
 public:
  // path: a file to append to, "-": stdout, empty: none. Throws Error(invalid_argument) if it cannot be opened.
  explicit AccessLog(const std::string& path);
  explicit operator bool() const { return file_ != nullptr; }
  void write(std::string_view client, std::string_view method, std::string_view target, int status,
             std::size_t body_bytes, std::chrono::nanoseconds took);
  void flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const;
  };
  std::unique_ptr<std::FILE, Close> file_;
  bool dirty_ = false;
};

}  // namespace manta::serve
