#include "serve/server/access_log.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <manta/error.h>

namespace manta::serve {

void AccessLog::Close::operator()(std::FILE* file) const {
  if (file == stdout) {
    std::fflush(file);
  } else {
    std::fclose(file);
  }
}

AccessLog::AccessLog(const std::string& path) {
  if (path.empty()) return;
  file_.reset(path == "-" ? stdout : std::fopen(path.c_str(), "ae"));
  if (file_ == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "the access log " + path + " cannot be opened: " + std::strerror(errno) +
                    ". Next: name a file in a folder that can be written (HttpOptions::access_log)");
  }
}

void AccessLog::write(std::string_view client, std::string_view method, std::string_view target, int status,
                      std::size_t body_bytes, std::chrono::nanoseconds took) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char time[40];
  std::strftime(time, sizeof time, "%d/%b/%Y:%H:%M:%S %z", &parts);
  std::string clean(target);  // whatever a client sends, a line stays a line
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < ' ' || c == '"' || c == 0x7f) c = '?';
  }
  std::fprintf(file_.get(), "%.*s - - [%s] \"%.*s %s HTTP/1.1\" %d %zu %.6f\n", static_cast<int>(client.size()),
               client.data(), time, static_cast<int>(method.size()), method.data(), clean.c_str(), status, body_bytes,
               std::chrono::duration<double>(took).count());
  dirty_ = true;
}

void AccessLog::flush() {
  if (!dirty_) return;
  dirty_ = false;
  std::fflush(file_.get());
}

}  // namespace manta::serve
