// Train: the two networks of the peers' ray_train.py, by the program digits_training, one run for each figure.
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "bench/areas.h"
#include "bench/child.h"

namespace manta::bench {

namespace {

std::string program() { return program_folder() + "/digits_training"; }

std::string digits() { return deps_folder() + "/digits/digits.csv"; }

void train_digits(Harness& harness, const std::string& network, std::string_view steady, std::string_view first,
                  std::string_view finished) {
  std::vector<Run> rates, firsts, wholes;
  double accuracy = 0, loss = 0;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    const Stopwatch watch;
    const std::chrono::duration<double> launched = std::chrono::system_clock::now().time_since_epoch();
    Child child({program(), network, std::to_string(launched.count()), digits()});
    std::istringstream printed(child.read_all());
    const std::string ended = child.wait();
    Run whole = watch.stop(watch.seconds(), false);
    check(ended.empty(), program() + " " + network + ": " + ended);
    whole.cpu_s = 0;  // of processes that have ended
    Run rate = whole, start = whole;
    check(static_cast<bool>(printed >> rate.value >> start.value >> accuracy >> loss),
          "what " + program() + " printed");
    check(accuracy > 0.97, network + " has learnt");
    if (i == 0) continue;  // the warm-up
    rates.push_back(rate);
    firsts.push_back(start);
    wholes.push_back(whole);
  }
  harness.emit(steady, "samples/s", rates, {{"accuracy", accuracy}, {"loss", loss}});
  harness.emit(first, "s", firsts);
  harness.emit(finished, "s", wholes);
}

constexpr std::string_view kMlpSteady = "manta: mlp: steady state";
constexpr std::string_view kMlpFirst = "manta: mlp: launch to first step";
constexpr std::string_view kMlpFinished = "manta: mlp: launch to finished";
constexpr std::string_view kCnnSteady = "manta: cnn: steady state";
constexpr std::string_view kCnnFirst = "manta: cnn: launch to first step";
constexpr std::string_view kCnnFinished = "manta: cnn: launch to finished";

}  // namespace

std::vector<Case> training_cases() {
  if (::access(program().c_str(), X_OK) != 0) return {};  // built without LibTorch
  return {
      {{kMlpSteady, kMlpFirst, kMlpFinished},
       [](Harness& harness) { train_digits(harness, "mlp", kMlpSteady, kMlpFirst, kMlpFinished); }},
      {{kCnnSteady, kCnnFirst, kCnnFinished},
       [](Harness& harness) { train_digits(harness, "cnn", kCnnSteady, kCnnFirst, kCnnFinished); }},
  };
}

}  // namespace manta::bench
