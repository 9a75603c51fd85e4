#include <manta/rl/vector_env.h>

namespace manta::rl {

std::string_view to_string(AutoresetMode mode) {
  switch (mode) {
    case AutoresetMode::next_step:
      return "next_step";
    case AutoresetMode::same_step:
      return "same_step";
    case AutoresetMode::disabled:
      return "disabled";
  }
  return "unknown autoreset mode";
}

}  // namespace manta::rl
