#include <manta/rl/make_env.h>

#include <string>

#include <manta/error.h>
#include <manta/rl/batch_env.h>
#include <manta/rl/envs/acrobot.h>
#include <manta/rl/envs/half_cheetah.h>
#include <manta/rl/envs/mountain_car.h>
#include <manta/rl/envs/pendulum.h>

#include "rl/vector_env/cart_pole_batch.h"

namespace manta::rl {
namespace {

using Make = std::unique_ptr<VectorEnv> (*)(std::size_t num_envs, const EnvOptions& options);

template <class Batch>
std::unique_ptr<VectorEnv> make(std::size_t num_envs, const EnvOptions& options) {
  return std::make_unique<Batch>(num_envs, options);
}

struct Entry {
  std::string_view id;
  Make make;
};

constexpr Entry kEntries[] = {
    {CartPole::kId, &make<CartPoleBatch>},
    {Acrobot::kId, &make<BatchEnv<Acrobot>>},
    {MountainCar::kId, &make<BatchEnv<MountainCar>>},
    {MountainCarContinuous::kId, &make<BatchEnv<MountainCarContinuous>>},
    {Pendulum::kId, &make<BatchEnv<Pendulum>>},
    {HalfCheetah::kId, &make<BatchEnv<HalfCheetah>>},
};

}  // namespace

std::unique_ptr<VectorEnv> make_env(std::string_view id, std::size_t num_envs, const EnvOptions& options) {
  std::string known;
  for (const Entry& entry : kEntries) {
    if (entry.id == id) return entry.make(num_envs, options);
    known.append(known.empty() ? "" : ", ").append(entry.id);
  }
  throw Error(ErrorCode::not_found, "no environment \"" + std::string(id) + "\"; there are: " + known +
                                        ". One of your own is a BatchEnv<E> (manta/rl/batch_env.h).");
}

std::vector<std::string_view> environment_ids() {
  std::vector<std::string_view> ids;
  for (const Entry& entry : kEntries) ids.push_back(entry.id);
  return ids;
}

}  // namespace manta::rl
