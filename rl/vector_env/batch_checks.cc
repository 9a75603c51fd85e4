#include <manta/rl/detail/batch_checks.h>

#include <algorithm>

#include <manta/error.h>

namespace manta::rl::detail {
namespace {

[[noreturn]] void refuse(std::string_view id, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, std::string(id) + ": " + why);
}

void check_box(std::string_view id, const char* what, const Box& box) {
  const std::string sizes = std::to_string(box.low.size()) + " and " + std::to_string(box.high.size());
  if (box.low.size() != box.high.size()) refuse(id, what + (" has low and high of different sizes: " + sizes));
  if (box.low.empty()) refuse(id, std::string(what) + " has no numbers; it has at least one");
  for (std::size_t i = 0; i < box.low.size(); ++i) {
    if (box.low[i] <= box.high[i]) continue;  // neither is NaN
    refuse(id, std::string(what) + " has the bounds " + std::to_string(box.low[i]) + " and " +
                   std::to_string(box.high[i]) + " for number " + std::to_string(i) + "; the lower one comes first");
  }
}

}  // namespace

const Box& checked_space(std::string_view id, const Box& space) {
  check_box(id, "its observation_space()", space);
  return space;
}

const ActionSpace& checked_space(std::string_view id, const ActionSpace& space) {
  const auto* discrete = std::get_if<Discrete>(&space);
  if (discrete == nullptr) check_box(id, "its action_space()", std::get<Box>(space));
  if (discrete != nullptr && discrete->n < 1) {
    refuse(id, "its action_space() has " + std::to_string(discrete->n) + " choices; it has at least one");
  }
  return space;
}

std::int64_t checked_limit(std::string_view id, std::size_t num_envs, const EnvOptions& options, std::int64_t own) {
  if (num_envs == 0) refuse(id, "num_envs is 0; a batch has at least one environment");
  if (options.num_threads < 1) {
    refuse(id, "num_threads is " + std::to_string(options.num_threads) + "; it is at least 1");
  }
  if (options.max_episode_steps < -1) {
    refuse(id, "max_episode_steps is " + std::to_string(options.max_episode_steps) +
                   "; it is a number of steps, 0 for the environment's own, or -1 for no limit");
  }
  if (options.max_episode_steps == -1) return 0;
  return options.max_episode_steps == 0 ? own : options.max_episode_steps;
}

void check_rows(const VectorEnv& env, std::string_view what, std::size_t have, std::size_t row) {
  if (have == env.num_envs() * row) return;
  refuse(env.id(), std::string(what) + " has " + std::to_string(have) + " elements; " + std::to_string(env.num_envs()) +
                       " environments of " + std::to_string(row) + " need " + std::to_string(env.num_envs() * row));
}

void check_step(const VectorEnv& env, std::size_t actions, const StepBatch& out) {
  check_rows(env, "actions", actions, action_size(env.action_space()));
  check_rows(env, "observations", out.observations.size(), env.observation_size());
  check_rows(env, "rewards", out.rewards.size(), 1);
  check_rows(env, "terminated", out.terminated.size(), 1);
  check_rows(env, "truncated", out.truncated.size(), 1);
  if (!out.final_observations.empty()) {
    check_rows(env, "final_observations", out.final_observations.size(), env.observation_size());
  }
}

void check_discrete(const VectorEnv& env, std::span<const std::int64_t> actions) {
  const std::int64_t n = std::get<Discrete>(env.action_space()).n;
  const auto wrong = std::ranges::find_if(actions, [n](std::int64_t action) { return action < 0 || action >= n; });
  if (wrong == actions.end()) return;
  refuse(env.id(), "the action of environment " + std::to_string(wrong - actions.begin()) + " is " +
                       std::to_string(*wrong) + "; actions are 0 to " + std::to_string(n - 1));
}

void throw_wrong_actions(const VectorEnv& env) {
  refuse(env.id(), std::holds_alternative<Discrete>(env.action_space())
                       ? "its actions are one std::int64_t each, not floats"
                       : "its actions are floats, not integers");
}

void throw_not_reset(const VectorEnv& env, std::size_t index, bool ended) {
  refuse(env.id(), ended ? "the episode of environment " + std::to_string(index) +
                               " has ended; with AutoresetMode::disabled, call reset_where() before the next step()"
                         : std::string("step() before the first reset()"));
}

void throw_wrong_state(const VectorEnv& env, std::string_view why) {
  refuse(env.id(), "not a state of " + std::to_string(env.num_envs()) + " such environments: " + std::string(why));
}

std::string bytes_of(const serial::Writer& writer) {
  std::string bytes(1 + writer.encoded_size(), writer.framed() ? '\1' : '\0');
  writer.encode_into(reinterpret_cast<std::byte*>(bytes.data() + 1));
  return bytes;
}

StateBytes state_bytes(std::span<const std::byte> state) {
  if (state.empty()) throw Error(ErrorCode::invalid_argument, "it is empty");
  return {state.subspan(1), state[0] != std::byte{0}};
}

StateHead head_of(const VectorEnv& env) { return {std::string(env.id()), env.num_envs()}; }

void check_head(const VectorEnv& env, const StateHead& head) {
  if (head.id == env.id() && head.num_envs == env.num_envs()) return;
  throw Error(ErrorCode::invalid_argument,
              "it is one of " + std::to_string(head.num_envs) + " environments \"" + head.id + "\"");
}

}  // namespace manta::rl::detail
