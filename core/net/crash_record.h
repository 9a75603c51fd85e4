// What a worker that crashes leaves in the node's page: the raw stack of the thread that crashed. Written by a signal
// handler, so it is plain memory; read by the node process once the worker has ended. Untouched memory otherwise.
//
// PAGE-1 holds: the reader checks every index and length.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace manta::net {

struct CrashRecord {
  static constexpr std::uint32_t kFrames = 32;
  static constexpr std::uint32_t kModules = 12;
  static constexpr std::uint8_t kNoModule = kModules;
  static constexpr std::size_t kNameBytes = 1152;

  std::atomic<bool> complete{false};
  bool stack_overflow = false;
  std::int32_t signal = 0;
  std::int64_t process = 0;
  std::uint32_t frame_count = 0;
  std::uint32_t module_count = 0;
  std::uint64_t offsets[kFrames] = {};  // of the instructions, from where their modules are loaded
  std::uint8_t modules[kFrames] = {};
  std::uint32_t module_names[kModules] = {};  // places in `names`
  char names[kNameBytes] = {};                // each with a NUL behind it; empty: the program itself
};
static_assert(sizeof(CrashRecord) <= 1536);  // thousands of them make a small mapping

// A copy that can be trusted to be consistent.
struct CrashStack {
  struct Frame {
    std::uint64_t offset = 0;
    std::string module;  // file; empty: the program itself
    bool known = false;  // whether a module is there
  };
  bool stack_overflow = false;
  std::vector<Frame> frames;

  static CrashStack of(const CrashRecord& record) {
    CrashStack stack;
    stack.stack_overflow = record.stack_overflow;
    const std::uint32_t count = std::min(record.frame_count, CrashRecord::kFrames);
    const std::uint32_t modules = std::min(record.module_count, CrashRecord::kModules);
    for (std::uint32_t i = 0; i < count; ++i) {
      Frame frame{record.offsets[i], {}, record.modules[i] < modules};
      if (frame.known) {
        const std::size_t at = std::min<std::size_t>(record.module_names[record.modules[i]], CrashRecord::kNameBytes);
        const char* end = std::find(record.names + at, record.names + CrashRecord::kNameBytes, '\0');
        frame.module.assign(record.names + at, end);
      }
      stack.frames.push_back(std::move(frame));
    }
    return stack;
  }
};

}  // namespace manta::net
