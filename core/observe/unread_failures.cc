#include "core/observe/unread_failures.h"

#include <utility>

#include "core/base/log.h"

namespace manta::observe {

namespace {

constexpr std::chrono::seconds kFirstCount{1}, kBetweenCounts{30};
constexpr std::size_t kMostKinds = 200;

std::string first_line(const Error& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

void UnreadFailures::add(const std::string& what, const Error& error, Time now) {
  const bool others = kinds_.size() >= kMostKinds && !kinds_.contains(what);
  const auto [it, first] = kinds_.try_emplace(others ? "other tasks" : what);
  Kind& kind = it->second;
  kind.last = first_line(error);
  if (first) {
    log::warn(what, " failed, and nothing has read its result: ", kind.last);
    kind.next = now + kFirstCount;
    return;
  }
  ++kind.more;
  ++counted_;
  if (now < kind.next) return;
  counted_ -= kind.more;
  write(it->first, kind);
  kind.next = now + kBetweenCounts;
}

void UnreadFailures::tick(Time now) {
  if (counted_ == 0) return;
  for (auto& [what, kind] : kinds_) {
    if (kind.more == 0 || now < kind.next) continue;
    counted_ -= kind.more;
    write(what, kind);
    kind.next = now + kBetweenCounts;
  }
}

void UnreadFailures::finish() {
  for (auto& [what, kind] : kinds_) {
    if (kind.more > 0) write(what, kind);
  }
  counted_ = 0;
}

void UnreadFailures::write(const std::string& what, Kind& kind) {
  log::warn(what, " failed ", std::exchange(kind.more, 0),
            " more times, and nothing has read the results; the last: ", kind.last);
}

}  // namespace manta::observe
