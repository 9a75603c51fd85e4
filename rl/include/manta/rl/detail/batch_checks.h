// What every VectorEnv checks and writes, outside its template.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <manta/rl/make_env.h>
#include <manta/rl/vector_env.h>
#include <manta/serialize.h>

namespace manta::rl::detail {

// Steps until truncation, from the options and the environment's own; 0: never. Checks the other options too.
std::int64_t checked_limit(std::string_view id, std::size_t num_envs, const EnvOptions& options, std::int64_t own);

// The space, if it makes sense: at least one number, as many lower as upper bounds, none of them NaN, none of the lower
// above its upper one; at least one choice. Throws Error(invalid_argument) else.
const Box& checked_space(std::string_view id, const Box& space);
const ActionSpace& checked_space(std::string_view id, const ActionSpace& space);

void check_rows(const VectorEnv& env, std::string_view what, std::size_t have, std::size_t row);
// All spans of out, and the actions.
void check_step(const VectorEnv& env, std::size_t actions, const StepBatch& out);
void check_discrete(const VectorEnv& env, std::span<const std::int64_t> actions);
[[noreturn]] void throw_wrong_actions(const VectorEnv& env);
[[noreturn]] void throw_not_reset(const VectorEnv& env, std::size_t index, bool ended);
[[noreturn]] void throw_wrong_state(const VectorEnv& env, std::string_view why);

// What the writer holds, behind a byte that says whether it is framed (large parts are out of band).
std::string bytes_of(const serial::Writer& writer);
// The same again, for a reader. Throws Error(invalid_argument) where there is nothing.
struct StateBytes {
  std::span<const std::byte> bytes;
  bool framed = false;
};
StateBytes state_bytes(std::span<const std::byte> state);
inline StateBytes state_bytes(std::string_view state) {
  return state_bytes(std::as_bytes(std::span(state.data(), state.size())));
}

// The head of a saved state: what it is a state of.
struct StateHead {
  std::string id;
  std::uint64_t num_envs = 0;
};
StateHead head_of(const VectorEnv& env);
void check_head(const VectorEnv& env, const StateHead& head);

// Reads a state that `read(reader)` understands; errors name the environment.
template <class Read>
void read_state(const VectorEnv& env, std::string_view state, Read read) {
  try {
    const StateBytes content = state_bytes(state);
    serial::Reader reader(content.bytes, content.framed);
    StateHead head;
    reader(head);
    check_head(env, head);
    read(reader);
  } catch (const Error& error) {
    throw_wrong_state(env, error.what());
  }
}

}  // namespace manta::rl::detail
