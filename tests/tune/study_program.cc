#include "tests/tune/study_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include <manta/manta.h>
#include <manta/tune.h>

#include "tests/e2e/outside.h"
#include "tests/support/exec_self.h"

namespace {

namespace tune = manta::tune;

struct Config {
  double rate = 0;
  std::string kernel;
  int degree = 0;
};

Config space(tune::Space& space) {
  Config config;
  config.rate = space.log_uniform("rate", 1e-5, 1);
  config.kernel = space.grid("kernel", {"rbf", "poly"});
  if (config.kernel == "poly") config.degree = space.grid("degree", {2, 3, 4});
  return config;
}

double objective(tune::Trial& trial, const Config& config, bool waits) {
  if (waits && trial.number() >= 2) {
    ++manta::e2e::outside()[0];
    (void)manta::e2e::await_cell(1, 1, std::chrono::hours(1));
  }
  double loss = config.degree;
  for (int step = 1; step <= 4; ++step) {
    loss += config.rate / step;
    trial.report({{"loss", loss}, {"step", static_cast<double>(step)}});
  }
  if (config.kernel == "poly" && config.degree == 3) throw std::domain_error("degree 3");
  return loss;
}

}  // namespace

int run_study(int argc, char** argv) {
  const bool waits = argc > 4;
  const auto results = tune::Tuner<space, objective>({.metric = "loss", .num_samples = std::atoi(argv[3]), .seed = 5},
                                                     {.name = "study", .storage_path = argv[2], .resume = true})
                           .fit(waits);
  std::cout << "interrupted: " << results.interrupted() << ", trials: " << results.trials().size() << '\n';
  for (const auto& trial : results.trials()) {
    if (trial.config.degree != 0) continue;
    if (trial.params.at(0).number != trial.config.rate) std::cout << "another configuration\n";
  }
  return 0;
}

StudyProgram::StudyProgram(const std::vector<std::string>& arguments) {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) std::abort();
  std::vector<std::string> words{"--study"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const ExecSelf program(words);
  process_ = ::fork();
  if (process_ == 0) {
    ::dup2(out[1], 1);
    program.run();
  }
  ::close(out[1]);
  out_ = out[0];
}

StudyProgram::~StudyProgram() {
  if (!ended_) ::kill(process_, SIGKILL);
  if (!ended_) ::waitpid(process_, nullptr, 0);
  ::close(out_);
}

bool StudyProgram::running() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int StudyProgram::wait(std::string* out) {
  std::string text;
  std::vector<char> buffer(1 << 14);
  for (ssize_t got; (got = ::read(out_, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (out != nullptr) *out = text;
  ::waitpid(process_, &status_, 0);
  ended_ = true;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

std::vector<std::string> found(const std::filesystem::path& study) {
  std::ifstream file(study / "trials.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    const std::size_t time = line.find("\"seconds\": ");
    lines.push_back(line.erase(time, line.find_first_of(",}", time) - time));
  }
  return lines;
}
