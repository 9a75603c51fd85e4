// How far a training is, as Stable-Baselines3 shows it.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <manta/report/metrics.h>

namespace manta::rl::detail {

// ----------------------------------
// | rollout/           |           |
// |    ep_len_mean     | 61.8      |
// | time/              |           |
// |    total_timesteps | 8192      |
// ----------------------------------
//
// On a terminal it is written over, ten times a second at most. Elsewhere it is one line every five seconds:
// "8192/500000 steps  ep_rew_mean 61.8  ep_len_mean 61.8  251034 steps/s". The last one is always shown.
//
// Threading: one thread. Ownership: not of the file. Errors: none; what cannot be printed is not.
class ProgressTable {
 public:
  using Clock = std::chrono::steady_clock;
  explicit ProgressTable(std::int64_t total_steps, std::FILE* out = stdout, Clock::time_point (*now)() = &Clock::now);

  // Metrics are "GROUP/NAME"; groups other than rollout, time and train are left out.
  void show(const report::Metrics& metrics, bool last = false);

 private:
  std::string table(const report::Metrics& metrics) const;
  std::string line(const report::Metrics& metrics) const;

  std::int64_t total_steps_;
  std::FILE* out_;
  Clock::time_point (*now_)();
  bool terminal_;
  Clock::time_point next_{};
  int lines_ = 0;  // of the table above the cursor
};

}  // namespace manta::rl::detail
