#include <manta/rl/envs/half_cheetah.h>

#include <algorithm>
#include <limits>
#include <string>

#include <manta/error.h>

#include "half_cheetah_xml.h"  // made by CMake of Gymnasium's file
#include "rl/env/mujoco_library.h"

namespace manta::rl {
namespace {

constexpr int kFrameSkip = 5;
constexpr double kResetNoise = 0.1;
constexpr float kControlCost = 0.1F;
constexpr std::size_t kHidden = 1;  // positions that an observation leaves out
constexpr mjtState kState = mjSTATE_INTEGRATION;

// Shared by all, and never given back: it lives as long as the library that is loaded.
const mjModel* load_model() {
  const MujocoLibrary& lib = mujoco();
  mjVFS files;
  lib.default_vfs(&files);
  lib.add_buffer_vfs(&files, "half_cheetah.xml", kHalfCheetahXml, sizeof kHalfCheetahXml - 1);
  // Loading says that an attribute of this file is deprecated, on standard error and in a file of the current folder.
  const auto warn = *lib.user_warning;
  *lib.user_warning = [](const char*) {};
  char why[1000] = "";
  const mjModel* model = lib.load_xml("half_cheetah.xml", &files, why, sizeof why);
  *lib.user_warning = warn;
  lib.delete_vfs(&files);
  if (model == nullptr) throw Error(ErrorCode::internal, std::string("HalfCheetah-v5: MuJoCo: ") + why);
  return model;
}

const mjModel* model() {
  static const mjModel* const loaded = load_model();
  return loaded;
}

}  // namespace

struct HalfCheetah::Simulation {
  Simulation() : data(mujoco().make_data(model())) {
    if (data == nullptr) throw Error(ErrorCode::exhausted, "HalfCheetah-v5: MuJoCo had no memory for a body");
  }
  ~Simulation() { mujoco().delete_data(data); }
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  void write(std::span<float> observation) const {
    const auto to_float = [](double value) { return static_cast<float>(value); };
    const auto next = std::transform(data->qpos + kHidden, data->qpos + model()->nq, observation.begin(), to_float);
    std::transform(data->qvel, data->qvel + model()->nv, next, to_float);
  }

  mjData* data;
};

HalfCheetah::HalfCheetah() : simulation_(std::make_unique<Simulation>()) {}
HalfCheetah::HalfCheetah(const HalfCheetah& other) : HalfCheetah() { *this = other; }
HalfCheetah& HalfCheetah::operator=(const HalfCheetah& other) {
  if (this != &other) mujoco().copy_data(simulation_->data, model(), other.simulation_->data);
  return *this;
}
HalfCheetah::HalfCheetah(HalfCheetah&&) noexcept = default;
HalfCheetah& HalfCheetah::operator=(HalfCheetah&&) noexcept = default;
HalfCheetah::~HalfCheetah() = default;

Box HalfCheetah::observation_space() {
  constexpr float kNone = std::numeric_limits<float>::infinity();
  return {std::vector<float>(17, -kNone), std::vector<float>(17, kNone)};
}

ActionSpace HalfCheetah::action_space() { return Box{std::vector<float>(6, -1), std::vector<float>(6, 1)}; }

void HalfCheetah::reset(Rng& rng, std::span<float> observation) {
  const MujocoLibrary& lib = mujoco();
  mjData* data = simulation_->data;
  lib.reset_data(model(), data);
  for (int i = 0; i < model()->nq; ++i) data->qpos[i] += rng.uniform(-kResetNoise, kResetNoise);
  for (int i = 0; i < model()->nv; ++i) data->qvel[i] += kResetNoise * rng.normal();
  lib.forward(model(), data);
  simulation_->write(observation);
}

Transition HalfCheetah::step(std::span<const float> action, std::span<float> observation) {
  mjData* data = simulation_->data;
  const double before = data->qpos[0];
  float squares = 0;  // in single precision, as NumPy sums them
  for (std::size_t i = 0; i < action.size(); ++i) {
    data->ctrl[i] = action[i];
    squares += action[i] * action[i];
  }
  for (int frame = 0; frame < kFrameSkip; ++frame) mujoco().step(model(), data);
  const double velocity = (data->qpos[0] - before) / (model()->opt.timestep * kFrameSkip);
  simulation_->write(observation);
  return {.reward = velocity - kControlCost * squares};
}

std::vector<double> HalfCheetah::state() const {
  std::vector<double> values(static_cast<std::size_t>(mujoco().state_size(model(), kState)));
  mujoco().get_state(model(), simulation_->data, values.data(), kState);
  return values;
}

void HalfCheetah::set_state(const std::vector<double>& values) {
  if (values.size() != static_cast<std::size_t>(mujoco().state_size(model(), kState))) {
    throw Error(ErrorCode::invalid_argument, "HalfCheetah-v5: a state of " + std::to_string(values.size()) +
                                                 " numbers is not one of this version of MuJoCo");
  }
  mujoco().set_state(model(), simulation_->data, values.data(), kState);
}

}  // namespace manta::rl
