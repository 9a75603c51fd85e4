// Tune: trials that do nothing, with and without reports and a scheduler, as the peers' ray_tune.py has them; the
// random search over support vector machines of ray_examples.py, by the program svm_digits.
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include <manta/tune.h>

#include "bench/areas.h"
#include "bench/child.h"

namespace manta::bench {

namespace {

namespace fs = std::filesystem;

struct Config {
  double x = 0;
};

Config space(tune::Space& space) { return {space.uniform("x", 0, 1)}; }

double quick(tune::Trial&, const Config& config) { return (config.x - 0.3) * (config.x - 0.3); }

void four(tune::Trial& trial, const Config& config) {
  for (int i = 0; i < 4; ++i) trial.report({{"loss", (config.x - 0.3) * (config.x - 0.3) / (i + 1)}});
}

void curve(tune::Trial& trial, const Config& config) {
  for (int epoch = 1; epoch <= 20; ++epoch) {
    trial.report({{"loss", config.x + (1 - config.x) / epoch}, {"epoch", static_cast<double>(epoch)}});
  }
}

constexpr std::string_view kQuick = "tune: 1000 trivial trials, random search, manta";
constexpr std::string_view kFour = "tune: 1000 trials of 4 reports, random search, manta";
constexpr std::string_view kAsha = "tune: ASHA 64 trials x 20 epochs, manta";
constexpr std::string_view kSvm = "random search SVC digits 30x5 fits: manta";

// A folder that goes away with all that studies leave in it.
struct Storage {
  Storage() {
    std::string name = (fs::temp_directory_path() / "manta_bench_XXXXXX").string();
    check(::mkdtemp(name.data()) != nullptr, "a folder for studies");
    path = name;
  }
  ~Storage() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

double bytes_in(const fs::path& folder) {
  double bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

template <auto Objective>
void studies(Harness& harness, std::string_view name, std::string_view unit, std::int64_t trials, bool asha) {
  const Runtime runtime = harness.start();
  const double per = unit == "s" ? 1 : 1e3 / static_cast<double>(trials);
  std::vector<Run> runs;
  double kilobytes = 0;
  // Nothing is deleted between runs: for half a minute ext4 looks at each deleted inode before it makes a new one.
  const Storage storage;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    tune::TunerConfig config{.metric = "loss", .num_samples = trials, .seed = static_cast<std::uint64_t>(i)};
    if (asha) config.scheduler = std::make_shared<tune::Asha>(tune::AshaOptions{.max_t = 20});
    const Stopwatch watch;
    const auto results = tune::Tuner<space, Objective>(
                             config, {.name = std::to_string(i), .storage_path = storage.path, .verbose = false})
                             .fit();
    const Run run = watch.stop(per * watch.seconds(), false);
    check(static_cast<std::int64_t>(results.trials().size()) == trials && std::isfinite(*results.best().value),
          "trials of a study");
    for (const auto& trial : results.trials()) check(trial.error.empty(), trial.error);
    if (i > 0) runs.push_back(run);
    kilobytes = bytes_in(results.folder()) / 1024 / static_cast<double>(trials);
  }
  harness.emit(name, unit, runs, {{"disk_kb_per_trial", kilobytes}});
}

std::string svm_program() { return program_folder() + "/svm_digits"; }

void svm_search(Harness& harness) {
  std::vector<Run> runs;
  double best = 0;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    const Storage storage;
    ::setenv("MANTA_NUM_CPUS", "2", 1);
    const Stopwatch watch;
    Child child({svm_program(), "--data", deps_folder() + "/digits/digits.csv", "--storage", storage.path.string()});
    const std::string printed = child.read_all();
    const std::string ended = child.wait();
    Run run = watch.stop(0, false);
    run.cpu_s = 0;  // of processes that have ended
    std::smatch found;
    check(ended.empty() && std::regex_search(printed, found, std::regex(R"(in ([\d.]+) s\nbest accuracy ([\d.]+))")),
          printed + ended);
    run.value = std::stod(found[1]);
    best = std::stod(found[2]);
    check(best == 0.9716, "the best score");
    if (i > 0) runs.push_back(run);
  }
  harness.emit(kSvm, "s", runs, {{"best", best}});
}

}  // namespace

Area tune_area() {
  Area area{"tune",
            {{{kQuick}, [](Harness& h) { studies<quick>(h, kQuick, "ms/trial", 1000, false); }},
             {{kAsha}, [](Harness& h) { studies<curve>(h, kAsha, "s", 64, true); }},
             {{kFour}, [](Harness& h) { studies<four>(h, kFour, "ms/trial", 1000, false); }}}};
  for (Case& each : tune_quality_cases()) area.cases.push_back(std::move(each));
  for (Case& each : tune_pareto_cases()) area.cases.push_back(std::move(each));
  if (::access(svm_program().c_str(), X_OK) == 0) area.cases.push_back({{kSvm}, svm_search});  // built with libsvm
  return area;
}

}  // namespace manta::bench
