// The state of LibTorch's learning rate schedulers, without the rates, which the optimizer holds.
#include <cstdint>

#include <torch/optim/schedulers/lr_scheduler.h>
#include <torch/optim/schedulers/reduce_on_plateau_scheduler.h>

#include <manta/error.h>
#include <manta/train/state.h>

namespace manta::train {
namespace {

using torch::optim::LRScheduler;
using Plateau = torch::optim::ReduceLROnPlateauScheduler;

struct Steps : LRScheduler {  // reaches a protected member of its base class
  static unsigned& of(LRScheduler& scheduler) { return scheduler.*(&Steps::step_count_); }
};

// LibTorch's class cannot be saved; an explicit instantiation may name its private members.
struct PlateauFields {
  float& best;
  int& cooldown_counter;
  int& last_epoch;
  int& num_bad_epochs;
};
PlateauFields fields_of(Plateau& scheduler);
template <auto Best, auto Cooldown, auto Last, auto Bad>
struct PlateauMembers {
  friend PlateauFields fields_of(Plateau& scheduler) {
    return {scheduler.*Best, scheduler.*Cooldown, scheduler.*Last, scheduler.*Bad};
  }
};
template struct PlateauMembers<&Plateau::best, &Plateau::cooldown_counter, &Plateau::last_epoch,
                               &Plateau::num_bad_epochs>;

template <class T>
const T& value_of(const StateDict& dict, const char* name) {
  const auto at = dict.find(name);
  if (at != dict.end()) {
    if (const T* value = std::get_if<T>(&at->second)) return *value;
  }
  throw Error(ErrorCode::invalid_argument,
              std::string("a learning rate scheduler's saved state has no \"") + name +
                  "\". Next: add the scheduler under the name under which the same kind was saved.");
}

}  // namespace

State& State::add(std::string name, LRScheduler& scheduler) {
  const auto save = [&scheduler] { return StateDict{{"step_count", std::int64_t{Steps::of(scheduler)}}}; };
  const auto load = [&scheduler](const StateDict& dict) {
    Steps::of(scheduler) = static_cast<unsigned>(value_of<std::int64_t>(dict, "step_count"));
  };
  return add_part(std::move(name), Custom{save, load});
}

State& State::add(std::string name, Plateau& scheduler) {
  const auto save = [&scheduler] {
    const PlateauFields fields = fields_of(scheduler);
    return StateDict{{"best", static_cast<double>(fields.best)},
                     {"cooldown_counter", std::int64_t{fields.cooldown_counter}},
                     {"last_epoch", std::int64_t{fields.last_epoch}},
                     {"num_bad_epochs", std::int64_t{fields.num_bad_epochs}}};
  };
  const auto load = [&scheduler](const StateDict& dict) {
    const auto best = value_of<double>(dict, "best");
    const auto cooldown = value_of<std::int64_t>(dict, "cooldown_counter");
    const auto last = value_of<std::int64_t>(dict, "last_epoch");
    const auto bad = value_of<std::int64_t>(dict, "num_bad_epochs");
    PlateauFields fields = fields_of(scheduler);
    fields.best = static_cast<float>(best);
    fields.cooldown_counter = static_cast<int>(cooldown);
    fields.last_epoch = static_cast<int>(last);
    fields.num_bad_epochs = static_cast<int>(bad);
  };
  return add_part(std::move(name), Custom{save, load});
}

}  // namespace manta::train
