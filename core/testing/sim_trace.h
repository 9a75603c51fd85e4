// What happened, as a 64-bit hash of everything and as text of the last lines.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <manta/ids.h>

namespace manta::sim {

using Time = std::chrono::nanoseconds;  // virtual, since the simulation's start

// Text of a line: %c stands for a client, node or the head, %l a lease, %o an object, %u a number.
struct Label {
  const char* text;
  std::uint64_t hash;
  consteval Label(const char* t) : text(t), hash(1469598103934665603ULL) {
    for (; *t != 0; ++t) hash = (hash ^ static_cast<unsigned char>(*t)) * 1099511628211ULL;
  }
};

// Threading: none. Lines are kept as numbers and formatted only when they are read.
class Trace {
 public:
  void set_time(Time now) { now_ = now; }
  // Every line goes to standard error as it comes.
  void set_live(bool live) { live_ = live; }

  template <class... Numbers>
  void record(Label what, Numbers... numbers) {
    Line& line = lines_[count_++ % kKept];
    line = {what.text, now_, {number(numbers)...}};
    std::uint64_t h = hash_ ^ what.hash;
    h = detail::mix64(h + static_cast<std::uint64_t>(now_.count()));
    for (std::uint64_t n : line.numbers) h = detail::mix64(h + 0x9e3779b97f4a7c15ULL + n);
    hash_ = h;
    if (live_) print(line);
  }

  std::uint64_t hash() const { return hash_; }
  std::uint64_t lines() const { return count_; }
  std::string last(std::size_t lines) const;

 private:
  static constexpr std::size_t kKept = 64;
  struct Line {
    const char* text = "";
    Time at{0};
    std::array<std::uint64_t, 4> numbers{};
  };
  static std::uint64_t number(std::uint64_t n) { return n; }
  static std::uint64_t number(const ObjectId& id) { return id.low; }
  template <class Tag>
  static std::uint64_t number(const detail::Id64<Tag>& id) {
    return id.value;
  }
  static std::string format(const Line& line);
  static void print(const Line& line);

  std::array<Line, kKept> lines_;
  std::uint64_t count_ = 0;
  std::uint64_t hash_ = 0;
  Time now_{0};
  bool live_ = false;
};

// The name in a trace of a client, a node or the head: "driver 1.1", "worker 2.17", "node 2", "head".
std::string name_of_client(std::uint64_t id);

}  // namespace manta::sim
