// One line that says how far a run is.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <manta/report/metrics.h>

namespace manta::report {

/// What a ProgressLine shows.
struct ProgressOptions {
  std::int64_t samples = 0;     ///< in all, over all epochs; 0: not known, so that no time left is shown
  std::int64_t epochs = 0;      ///< in all, shown after the metric "epoch"; 0: not known
  std::int64_t steps = 0;       ///< in an epoch, shown after the metric "step"; 0: not known
  std::string unit = "images";  ///< of the rate: images/s
  std::FILE* out = stdout;
};

/// "epoch 2/3  step  120/469  loss 0.1834  accuracy 95.21 %    8123 images/s   14 s left"
///
/// Rewritten in place on a terminal, ten times a second at most; else a new line every five seconds. Costs next to
/// nothing in between, so it may be called at every step.
///
///     ProgressLine line({.samples = 180'000, .steps = 469});
///     line.show(images_so_far, {{"epoch", epoch}, {"step", step}, {"loss", loss}});
///
/// **Threading**: one thread at a time. **Ownership**: it does not own the file. **Errors**: none; what cannot be
/// printed is not.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;
  /// A clock for tests is given by its function.
  explicit ProgressLine(ProgressOptions options = {}, Clock::time_point (*now)() = &Clock::now);
  /// Ends the line that is being rewritten.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// samples: how many were trained on since the start (of this process: a resumed training passes those before it to
  /// already_done). Of the metrics, epoch and step come first, then those whose name is or ends in loss (smoothed over
  /// about twenty steps), then accuracy in percent, then the others; "samples" is left out.
  void show(std::int64_t samples, const Metrics& metrics);
  /// Samples that count as done, but not for the rate.
  void already_done(std::int64_t samples) { already_done_ = samples; }
  /// Time that was not spent on training does not count: an evaluation, writing a checkpoint.
  void leave_out(Clock::duration time) { start_ += time; }
  /// A line of its own, which stays: the live line goes on below it.
  void print(std::string_view text);

 private:
  std::string text(std::int64_t samples) const;

  ProgressOptions options_;
  Clock::time_point (*now_)();
  bool terminal_;
  std::int64_t already_done_ = 0;
  Clock::time_point start_;
  Clock::time_point next_{};
  std::size_t shown_ = 0;  // characters of the line under the cursor
  Metrics metrics_;        // the latest, losses smoothed
};

}  // namespace manta::report
