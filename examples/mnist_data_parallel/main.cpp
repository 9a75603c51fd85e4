// A small convolutional network learns MNIST, data-parallel on worker processes.
//
//   build/release/bin/mnist_data_parallel --data .deps/mnist --workers 2
//
// Synchronous stochastic gradient descent: each step, the parameters are stored once, each worker computes the gradients
// of its part of the batch on its own copy of the network (the images are stored once too, and read in place), and this
// program adds them and applies them. The result is that of one process on the whole batch, and the same for each run
// with the same --seed, --workers and --batch-size.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

#include "dataset.h"
#include "training.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string data = ".deps/mnist";
  std::string out = "mnist_cnn.pt";
  int workers = 2;
  int epochs = 3;
  std::int64_t batch_size = 128;
  double learning_rate = 0.05;
  std::int64_t limit = 0;
  std::uint64_t seed = 1;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// One line that says how far the training is: rewritten in place on a terminal, else a new one every five seconds.
class LiveLine {
 public:
  explicit LiveLine(std::int64_t images_in_all) : images_in_all_(images_in_all) {}

  void show(int epoch, std::int64_t step, std::int64_t steps, double loss, std::int64_t images) {
    loss_ = loss_ == 0 ? loss : 0.95 * loss_ + 0.05 * loss;
    const bool last = step == steps;
    if (!last && Clock::now() < next_) return;
    next_ = Clock::now() + (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000));
    const double rate = static_cast<double>(images) / seconds_since(start_);
    std::printf("%sepoch %d  step %4ld/%ld  loss %.4f  %6.0f images/s  %3.0f s left%s", terminal_ ? "\r" : "", epoch,
                static_cast<long>(step), static_cast<long>(steps), loss_, rate,
                static_cast<double>(images_in_all_ - images) / rate, terminal_ && !last ? "  " : "\n");
    std::fflush(stdout);
  }
  // Time that was not spent on training does not count.
  void leave_out(Clock::duration time) { start_ += time; }

 private:
  std::int64_t images_in_all_;
  bool terminal_ = isatty(STDOUT_FILENO) == 1;
  double loss_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_{};
};

// Whether the checkpoint can be written is better known before the training than after it.
void check_out(const std::filesystem::path& out) {
  const std::filesystem::path folder = out.has_parent_path() ? out.parent_path() : std::filesystem::path(".");
  if (std::filesystem::is_directory(out) || access(folder.c_str(), W_OK) != 0) {
    throw std::runtime_error("--out " + out.string() + " cannot be written. Next: name a file in a folder that exists "
                             "and is yours.");
  }
}

// First a file beside it, so that there is never half a checkpoint under its name.
void save(Network& network, const std::string& out) {
  torch::save(network, out + ".part");
  std::filesystem::rename(out + ".part", out);
}

void run(const Options& options) {
  const auto start = Clock::now();
  check_out(options.out);
  at::set_num_threads(1);  // the processors are the workers'
  const Digits train = read_digits(options.data, Part::train, options.limit);
  const Digits test = read_digits(options.data, Part::test, options.limit);
  const auto stored_train = manta::put(train);
  const auto stored_test = manta::put(test);

  torch::manual_seed(options.seed);
  Network network;
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(options.learning_rate).momentum(0.9));
  const std::int64_t steps = (train.size() + options.batch_size - 1) / options.batch_size;
  const std::int64_t steps_in_all = steps * options.epochs;
  std::printf("%ld training images, %ld test images; %d workers, batches of %ld\n", static_cast<long>(train.size()),
              static_cast<long>(test.size()), options.workers, static_cast<long>(options.batch_size));

  LiveLine line(train.size() * options.epochs);
  double share = 0;
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    std::int64_t step = 0;
    for (const torch::Tensor& indices : torch::randperm(train.size()).split(options.batch_size)) {
      // From the full rate down to nothing, in a straight line.
      const auto done = static_cast<double>((epoch - 1) * steps + step) / static_cast<double>(steps_in_all);
      optimizer.param_groups()[0].options().set_lr(options.learning_rate * (1 - done));
      const double loss = train_step(network, optimizer, stored_train, indices, options.workers);
      ++step;
      line.show(epoch, step, steps, loss,
                (epoch - 1) * train.size() + std::min(step * options.batch_size, train.size()));
    }
    const auto before = Clock::now();
    share = accuracy(network, stored_test, test.size());
    line.leave_out(Clock::now() - before);
    std::printf("epoch %d  test accuracy %.2f %%\n", epoch, 100 * share);
  }
  save(network, options.out);
  std::printf("test accuracy %.2f %% on %ld images after %.1f s; network saved to %s\n", 100 * share,
              static_cast<long>(test.size()), seconds_since(start), options.out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  // Before init, because the number of workers is init's business; workers that execute the program again do it too.
  Options options;
  CLI::App app("A small convolutional network learns MNIST, data-parallel on worker processes.");
  app.option_defaults()->always_capture_default();
  app.add_option("--data", options.data, "Folder with the four idx files of MNIST (cmake/deps.sh mnist makes .deps/mnist)");
  app.add_option("--out", options.out, "File for the trained network, as torch::save writes it");
  app.add_option("--workers", options.workers, "Worker processes, each with one thread")->check(CLI::Range(1, 256));
  app.add_option("--epochs", options.epochs, "Passes over the training images")->check(CLI::Range(1, 10'000));
  app.add_option("--batch-size", options.batch_size, "Images in a step, over all workers")->check(CLI::Range(1, 60'000));
  app.add_option("--lr", options.learning_rate, "Learning rate of the first step; it falls to 0 in a straight line")
      ->check(CLI::PositiveNumber);
  app.add_option("--limit", options.limit, "Use only the first so many images of each kind; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", options.seed, "Of the first weights and the order of the images");
  CLI11_PARSE(app, argc, argv);

  try {
    auto runtime = manta::init(argc, argv, {.num_cpus = static_cast<double>(options.workers)});
    run(options);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "mnist_data_parallel: %s\n", error.what_without_backtrace());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mnist_data_parallel: %s\n", error.what());
    return 1;
  }
  return 0;
}
