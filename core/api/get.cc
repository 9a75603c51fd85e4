// The parts of the public templates that need no template.
#include <manta/get.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include <manta/actor.h>
#include <manta/remote.h>
#include <manta/when.h>

#include "core/client/client.h"

namespace manta::detail {

namespace {

constexpr std::size_t kAskedAhead = 1024;  // so many answers may come at a time, small values inside
constexpr std::size_t kBroughtAhead = 64;
constexpr std::size_t kBroughtAtATime = 16;

}  // namespace

std::span<EntryHead* const> ReadAhead::next(std::size_t from, std::size_t count) {
  if (all_) {
    try {
      entries_ = all_();
    } catch (const Error&) {  // a Ref is empty: get() throws when it comes to that one
    }
    all_ = nullptr;
  }
  from = std::min(from, entries_.size());
  return std::span<EntryHead* const>(entries_).subspan(from, std::min(count, entries_.size() - from));
}

void ReadAhead::ask_ahead(const EntryHead& missing) {
  if (asked_ >= position_ + kAskedAhead / 2 || !is_borrowed(&missing)) return;
  asked_ = std::max(asked_, position_ - 1);
  const auto more = next(asked_, position_ - 1 + kAskedAhead - asked_);
  if (!more.empty()) ask_for(more);
  asked_ += more.size();
}

ValueView ReadAhead::read(EntryHead& entry) {
  if (position_ > brought_ && lies_elsewhere(&entry)) {
    brought_ = position_ - 1 + kBroughtAtATime;
    bring(next(position_ - 1, kBroughtAhead));
  }
  return read_value(&entry);
}

Deadline deadline_after(std::chrono::nanoseconds timeout) {
  const Deadline now = std::chrono::steady_clock::now();
  return timeout >= Deadline::max() - now ? Deadline::max() : now + timeout;
}

void throw_deadline(EntryHead& first_missing, std::size_t ready, std::size_t total) {
  std::string what = "the time given to get() was over before the value was there";
  if (total > 1) what += " (" + std::to_string(ready) + " of " + std::to_string(total) + " were)";
  const std::string why = client::Waiting::waited_long() ? why_unresolved(&first_missing) : std::string();
  if (!why.empty()) what += ": " + why;
  throw Error(ErrorCode::deadline, what + "; the work goes on, and get() may be called again");
}

void throw_empty_ref() {
  throw Error(ErrorCode::invalid_argument, "an empty Ref was used: it was default-constructed or moved from");
}

void throw_empty_argument(std::size_t position) {
  throw Error(ErrorCode::invalid_argument, "argument " + std::to_string(position) +
                                               " of a remote call is an empty Ref: it was default-constructed or moved "
                                               "from");
}

void throw_any_of_none() {
  throw Error(ErrorCode::invalid_argument, "manta::when_any was given no refs, so none of them can become ready");
}

std::string text_of(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", number);
  return text;
}

void throw_lossy_argument(std::size_t position, const std::string& value, const std::string& lowest,
                          const std::string& highest) {
  throw Error(ErrorCode::invalid_argument, "argument " + std::to_string(position) + " of a remote call is " + value +
                                               ", which the parameter's type cannot hold (" + lowest + " to " +
                                               highest +
                                               "): pass a value that it can, or give the parameter another type");
}

void throw_no_base(std::string_view base) {
  throw Error(ErrorCode::invalid_argument,
              "method " + std::string(base) +
                  " was called by the handle of a class that is no public, unambiguous base "
                  "of the actor's class");
}

}  // namespace manta::detail
