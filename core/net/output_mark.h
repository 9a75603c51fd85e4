// Whose output it is that a worker writes. A worker's stdout and stderr are pipes; what it runs now is in its slot of
// the node's page (ClientSlot::function), a store of a few cycles for a task that prints nothing.
//
//   MARK-1  before the slot changes, a mark that names the old function and the new one is put behind what the node has
//           not read yet. So what is in the pipe belongs to the functions that the marks around it name, or where there
//           is none, to the slot's, as it was when there was something in the pipe and before that was read
//
//   MARK-2  a task or actor that has a label of its own writes that into both pipes before it runs: from then on the
//           label's number stands for it, as if it were a function
//
// To look what the node has not read takes two system calls, as long as two short tasks. So a worker that has been
// silent looks at most every 100 us or so (what it prints first may be named after a function that it ran up to 100 us
// later); one that has printed, which the node tells it, looks at each change for a while.
//
// Threading: the worker's thread that runs tasks. What child processes and other threads write counts for the function
// that runs at that moment; everything of an actor's process counts for the actor.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace manta::net {

// An operating system command that terminals pass over, should one ever get there. Shorter than PIPE_BUF: never torn.
struct OutputMark {
  static constexpr std::string_view kHead = "\x1b]manta:";
  static constexpr char kTail = '\a';
  static constexpr std::size_t kDigits = 16;
  static constexpr std::size_t kBytes = kHead.size() + 2 * kDigits + 1;

  std::uint64_t before = 0;
  std::uint64_t after = 0;

  std::array<char, kBytes> encode() const {
    std::array<char, kBytes> text{};
    kHead.copy(text.data(), kHead.size());
    char* digit = text.data() + kHead.size();
    for (const std::uint64_t function : {before, after}) {
      for (std::size_t i = 0; i < kDigits; ++i) *digit++ = "0123456789abcdef"[function >> (60 - 4 * i) & 15];
    }
    *digit = kTail;
    return text;
  }
  // That at the start of the text; nothing: there is none.
  static std::optional<OutputMark> decode(std::string_view text) {
    if (text.size() < kBytes || !text.starts_with(kHead) || text[kBytes - 1] != kTail) return std::nullopt;
    OutputMark mark;
    const char* digits = text.data() + kHead.size();
    for (std::uint64_t* function : {&mark.before, &mark.after}) {
      const auto [end, error] = std::from_chars(digits, digits + kDigits, *function, 16);
      if (error != std::errc() || end != digits + kDigits) return std::nullopt;
      digits = end;
    }
    return mark;
  }
};

// A label, and the number that stands for it in slots and marks: no function's, whose upper half is never 0.
struct OutputLabel {
  static constexpr std::string_view kHead = "\x1b]label:";
  static constexpr std::size_t kLongest = 64;  // longer ones are cut
  static constexpr std::size_t kBytes = kHead.size() + kLongest + 1;
  static constexpr std::size_t kMostKnown = 64;  // a node remembers at least the last so many of a pipe

  std::string text;
  std::uint64_t function = 0;

  static OutputLabel of(std::string_view label) {
    OutputLabel made{std::string(label.substr(0, kLongest)), 0};
    for (char& c : made.text) {
      if (static_cast<unsigned char>(c) < ' ') c = ' ';
    }
    while (!made.text.empty() && made.text.back() == ' ') made.text.pop_back();
    made.function = std::hash<std::string>()(made.text) & 0xffffffff;
    return made;
  }
  std::array<char, kBytes> encode() const {
    std::array<char, kBytes> bytes;
    bytes.fill(' ');
    kHead.copy(bytes.data(), kHead.size());
    text.copy(bytes.data() + kHead.size(), kLongest);
    bytes.back() = OutputMark::kTail;
    return bytes;
  }
  static std::optional<OutputLabel> decode(std::string_view bytes) {
    if (bytes.size() < kBytes || !bytes.starts_with(kHead) || bytes[kBytes - 1] != OutputMark::kTail)
      return std::nullopt;
    return of(bytes.substr(kHead.size(), kLongest));
  }
};

}  // namespace manta::net
