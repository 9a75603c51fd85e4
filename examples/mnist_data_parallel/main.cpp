// A convolutional network learns MNIST, data-parallel on worker processes.
//
//   build/release/bin/mnist_data_parallel --data .deps/mnist --workers 2
//
// Each worker computes the gradients of its part of a batch, on images that all read in place, and all apply the mean:
// the result is that of one process on the whole batch, and the same for each run with the same --seed, --workers and
// --batch-size. A worker's death does no harm: the group continues from the last epoch's checkpoint.

#include <cstdio>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "training.h"

namespace {

struct Options {
  std::string data = ".deps/mnist";
  std::string out = "manta_results";
  std::string name;
  bool resume = false;
  int workers = 2;
  std::int64_t limit = 0;
  Settings settings;
};

// Shows what the workers report.
class Display {
 public:
  Display(const Options& options, std::int64_t images)
      : line_({.samples = images * options.settings.epochs,
               .epochs = options.settings.epochs,
               .steps = steps_in_all(options.settings, images, options.workers)}) {}

  void show(const manta::train::Report& report) {
    const auto now = std::chrono::steady_clock::now();
    manta::train::Metrics shown = report.metrics;
    if (const auto images = shown.find("images"); images != shown.end()) {
      const auto done = static_cast<std::int64_t>(images->second);
      if (first_) line_.already_done(done - static_cast<std::int64_t>(images->second / shown.at("step")));
      first_ = false;
      shown.erase(images);
      line_.show(done, shown);
    } else {
      line_.leave_out(now - last_);  // the time of the test
      char text[80];
      std::snprintf(text, sizeof text, "epoch %.0f  test accuracy %.2f %%", shown.at("epoch"),
                    100 * shown.at("accuracy"));
      line_.print(text);
    }
    last_ = now;
  }

 private:
  manta::train::ProgressLine line_;
  bool first_ = true;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void run(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const Digits train = read_digits(options.data, Part::train, options.limit);
  const Digits test = read_digits(options.data, Part::test, options.limit);
  std::printf("%ld training images, %ld test images; %d workers, batches of %ld\n", static_cast<long>(train.size()),
              static_cast<long>(test.size()), options.workers, static_cast<long>(options.settings.batch_size));

  Display display(options, train.size());
  manta::train::Trainer<train_network> trainer(
      {.num_workers = options.workers},
      {.name = options.name,
       .storage_path = options.out,
       .resume = options.resume,
       .checkpoint = {.num_to_keep = 1, .score_attribute = "accuracy"},
       .on_report = [&](const manta::train::Report& report) { display.show(report); }});
  const auto result = trainer.fit(options.settings, manta::put(train), manta::put(test));

  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("test accuracy %.2f %% on %ld images after %.1f s\n", 100 * result.checkpoint->metrics().at("accuracy"),
              static_cast<long>(test.size()), seconds.count());
  std::printf("network:     %s\n", (result.checkpoint->folder() / "model.safetensors").c_str());
  std::printf("curves:      tensorboard --logdir %s\n", result.folder.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  // Before init, because the number of workers is init's business; workers that execute the program again do it too.
  Options options;
  Settings& settings = options.settings;
  CLI::App app("A convolutional network learns MNIST, data-parallel on worker processes.");
  app.option_defaults()->always_capture_default();
  app.add_option("--data", options.data,
                 "Folder with the four idx files of MNIST (cmake/deps.sh mnist makes .deps/mnist)");
  app.add_option("--out", options.out,
                 "Folder for runs, each a folder with checkpoint, TensorBoard log, result.json and progress.csv");
  app.add_option("--name", options.name, "Of this run's folder; else the date and the time");
  app.add_flag("--resume", options.resume, "Go on from the latest checkpoint of the run --name, if it has one");
  app.add_option("--workers", options.workers, "Worker processes, each with one thread")->check(CLI::Range(1, 256));
  app.add_option("--epochs", settings.epochs, "Passes over the training images")->check(CLI::Range(1, 10'000));
  app.add_option("--batch-size", settings.batch_size, "Images in a step, over all workers")
      ->check(CLI::Range(1, 60'000));
  app.add_option("--lr", settings.learning_rate, "Learning rate of the first step; it falls to 0 in a straight line")
      ->check(CLI::PositiveNumber);
  app.add_option("--limit", options.limit, "Use only the first so many images of each kind; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", settings.seed, "Of the first weights and the order of the images");
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
