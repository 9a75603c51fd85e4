// Whose output it is that a worker writes. A worker's stdout and stderr are pipes; what it runs now is in its slot of the
// node's page (ClientSlot::function), a store of a few cycles for a task that prints nothing.
//
//   MARK-1  before the slot changes, a mark that names the old function is put behind what the node has not read yet; so
//           what is in the pipe belongs to the function of the next mark, or where there is none, to the slot's as it was
//           before the pipe was read
//
// Threading: the worker's thread that runs tasks. What child processes and other threads write counts for the function
// that runs at that moment; everything of an actor's process counts for the actor.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace manta::net {

// An operating system command that terminals pass over, should one ever get there. Shorter than PIPE_BUF: never torn.
struct OutputMark {
  static constexpr std::string_view kHead = "\x1b]manta:";
  static constexpr char kTail = '\a';
  static constexpr std::size_t kDigits = 16;
  static constexpr std::size_t kBytes = kHead.size() + kDigits + 1;

  static std::array<char, kBytes> encode(std::uint64_t function) {
    std::array<char, kBytes> text{};
    kHead.copy(text.data(), kHead.size());
    for (std::size_t i = 0; i < kDigits; ++i) text[kHead.size() + i] = "0123456789abcdef"[function >> (60 - 4 * i) & 15];
    text.back() = kTail;
    return text;
  }
  // The function of a mark at the start of the text; nothing: there is none.
  static std::optional<std::uint64_t> decode(std::string_view text) {
    if (text.size() < kBytes || !text.starts_with(kHead) || text[kBytes - 1] != kTail) return std::nullopt;
    const char* digits = text.data() + kHead.size();
    std::uint64_t function = 0;
    const auto [end, error] = std::from_chars(digits, digits + kDigits, function, 16);
    return error == std::errc() && end == digits + kDigits ? std::optional(function) : std::nullopt;
  }
};

}  // namespace manta::net
