#include <manta/train/state.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <manta/error.h>

namespace manta::train {

State& State::add_part(std::string name, Part part) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::invalid_argument, "State::add(\"" + name + "\"): " + why);
  };
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (name.empty() || name.size() > 100 || !plain) {
    refuse("it names a file. Next: use 1 to 100 letters, digits, '_' and '-'.");
  }
  for (const auto& [other, ignored] : parts_) {
    if (other == name) refuse("the name is taken. Next: give each part a name of its own.");
  }
  parts_.emplace_back(std::move(name), std::move(part));
  return *this;
}

torch::Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(const torch::Tensor& state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  try {
    generator.set_state(state.detach().to(torch::kCPU).contiguous().clone());
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::invalid_argument, "set_random_state: this is no state of the CPU's random generator: " +
                                                 std::string(error.what_without_backtrace()) +
                                                 ". Next: pass what random_state() returned.");
  }
}

}  // namespace manta::train
