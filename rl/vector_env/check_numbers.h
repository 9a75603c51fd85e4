// Holds environments to finite observations and rewards.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/rl/wrappers.h>

namespace manta::rl::detail {

// Passes everything on, and throws Error(invalid_argument) where an observation or a reward is NaN or infinite: it
// names the environment, its index and the step of its episode. Inside of all other wrappers, whose statistics one such
// number would spoil for ever.
class CheckNumbers final : public VectorEnvWrapper {
 public:
  // first: the index in the run of its first environment, for the message.
  explicit CheckNumbers(std::unique_ptr<VectorEnv> env, std::int64_t first = 0);

  void reset(std::uint64_t seed, std::span<float> observations) override;
  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override;
  void step(std::span<const std::int64_t> actions, const StepBatch& out) override;
  void step(std::span<const float> actions, const StepBatch& out) override;
  std::string save_state() const override;
  void load_state(std::string_view state) override;

 private:
  void check_step(const StepBatch& out);
  // Of all environments; of one.
  void check_rows(const char* what, std::span<const float> rows, std::size_t width) const;
  void check_row(const char* what, std::span<const float> rows, std::size_t width, std::size_t env) const;

  std::int64_t first_;
  std::vector<std::int64_t> lengths_;  // of the episodes that run, in steps
};

}  // namespace manta::rl::detail
