// HalfCheetah where Manta is built without MuJoCo: it can be named, and says how to get it.
#include <manta/rl/envs/half_cheetah.h>

#include <manta/error.h>

namespace manta::rl {

struct HalfCheetah::Simulation {};

HalfCheetah::HalfCheetah() {
  throw Error(
      ErrorCode::unavailable,
      "HalfCheetah-v5: Manta was built without MuJoCo. Next: run cmake/deps.sh rl, then configure and build again.");
}
HalfCheetah::HalfCheetah(const HalfCheetah&) : HalfCheetah() {}
HalfCheetah& HalfCheetah::operator=(const HalfCheetah&) { return *this; }
HalfCheetah::HalfCheetah(HalfCheetah&&) noexcept = default;
HalfCheetah& HalfCheetah::operator=(HalfCheetah&&) noexcept = default;
HalfCheetah::~HalfCheetah() = default;

Box HalfCheetah::observation_space() { return {}; }
ActionSpace HalfCheetah::action_space() { return Box{}; }
void HalfCheetah::reset(Rng&, std::span<float>) {}
Transition HalfCheetah::step(std::span<const float>, std::span<float>) { return {}; }
std::vector<double> HalfCheetah::state() const { return {}; }
void HalfCheetah::set_state(const std::vector<double>&) {}

}  // namespace manta::rl
