// Examples: a sum of 100 million numbers, a sharded parameter server, twenty random forests. Names and shapes are those
// of the peer's ray_examples.py; the forests are dlib's on California's housing, so that only the speed-up compares.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "bench/areas.h"
#include "bench/child.h"

namespace manta::bench {

namespace {

// --- sums

using Numbers = std::span<const std::int64_t>;

constexpr std::int64_t kNumbers = 100'000'000, kSum = kNumbers * (kNumbers - 1) / 2;
constexpr std::int64_t kParts = 4, kLists = 10;

constexpr std::string_view kOneThread = "sum of 1e8: numpy array, one thread";
constexpr std::string_view kPutAndSum = "sum of 1e8: numpy array, put + 4 tasks";
constexpr std::string_view kStored = "sum of 1e8: numpy array already in the store, 4 tasks";
constexpr std::string_view kListTasks = "sum of 1e8: list built and summed in 10 tasks";
constexpr std::string_view kListPieces = "sum of 1e8: list built and summed in 10 pieces, sequential";

template <class T>
std::span<const T> elements(const Buffer& buffer) {
  return {reinterpret_cast<const T*>(buffer.data), buffer.size_bytes / sizeof(T)};
}

std::int64_t sum(Numbers numbers) { return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0}); }

std::int64_t sum_part(const Buffer& all, std::int64_t part) {
  const Numbers numbers = elements<std::int64_t>(all);
  return sum(numbers.subspan(static_cast<std::size_t>(part * kNumbers / kParts), kNumbers / kParts));
}

std::int64_t sum_list(std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> list(static_cast<std::size_t>(to - from));
  std::iota(list.begin(), list.end(), from);
  return sum(list);
}

std::int64_t total(const std::vector<Ref<std::int64_t>>& sums) {
  const auto all = get(sums);
  return std::accumulate(all.begin(), all.end(), std::int64_t{0});
}

std::int64_t sum_by_tasks(const Ref<Buffer>& all) {
  std::vector<Ref<std::int64_t>> sums;
  for (std::int64_t part = 0; part < kParts; ++part) sums.push_back(remote<sum_part>(all, part));
  return total(sums);
}

void sums(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto numbers = std::make_shared<std::vector<std::int64_t>>(kNumbers);
  std::iota(numbers->begin(), numbers->end(), 0);
  const Buffer buffer{reinterpret_cast<const std::byte*>(numbers->data()), kNumbers * sizeof(std::int64_t), numbers};
  harness.time(kOneThread, [&] { check(sum(*numbers) == kSum, "a sum"); });
  harness.time(kPutAndSum, [&] { check(sum_by_tasks(put(buffer)) == kSum, "a sum by tasks"); });
  const Ref<Buffer> stored = put(buffer);
  harness.time(kStored, [&] { check(sum_by_tasks(stored) == kSum, "a sum by tasks"); });
}

void lists(Harness& harness) {
  const Runtime runtime = harness.start();
  constexpr std::int64_t kEach = kNumbers / kLists;
  harness.time(kListTasks, [&] {
    std::vector<Ref<std::int64_t>> parts;
    for (std::int64_t i = 0; i < kLists; ++i) parts.push_back(remote<sum_list>(i * kEach, (i + 1) * kEach));
    check(total(parts) == kSum, "a sum of lists by tasks");
  });
  harness.time(kListPieces, [&] {
    std::int64_t all = 0;
    for (std::int64_t i = 0; i < kLists; ++i) all += sum_list(i * kEach, (i + 1) * kEach);
    check(all == kSum, "a sum of lists");
  });
}

// --- the parameter server

constexpr std::size_t kParameters = 10'000'000;
constexpr std::size_t kShards = 2, kTrainers = 2;
constexpr int kUpdates = 10;  // of each trainer in one run
constexpr float kGradient = 0.01F;

constexpr std::string_view kServer = "sharded parameter server: 2 servers, 2 workers, 10M float32";

std::span<float> floats(UniqueBuffer& buffer) {
  return {reinterpret_cast<float*>(buffer.bytes().data()), buffer.bytes().size() / sizeof(float)};
}

// Holds a part of the parameters. Each update makes a new version in the store, where readers of the old one are not
// disturbed: what they get is a reference, so that nothing is copied for them.
class Shard {
 public:
  explicit Shard(std::size_t size) {
    UniqueBuffer first = create_buffer(size * sizeof(float));
    std::ranges::fill(floats(first), 0.0F);
    set(std::move(first));
  }
  Ref<Buffer> parameters() const { return stored_; }
  void update(const Buffer& gradient) {
    UniqueBuffer next = create_buffer(current_.size_bytes);
    std::ranges::transform(elements<float>(current_), elements<float>(gradient), floats(next).begin(), std::plus());
    set(std::move(next));
  }

 private:
  void set(UniqueBuffer version) {
    stored_ = put(std::move(version));
    current_ = get(stored_);
  }

  Ref<Buffer> stored_;
  Buffer current_;
};

// What a trainer does, without the training: it pulls all parameters and pushes gradients of the same size, made in the
// store.
class Pusher {
 public:
  explicit Pusher(std::vector<Actor<Shard>> shards) : shards_(std::move(shards)) {}
  void run(int updates) const {
    for (int i = 0; i < updates; ++i) {
      std::vector<Ref<Ref<Buffer>>> pulls;
      for (const auto& shard : shards_) pulls.push_back(shard.call<&Shard::parameters>());
      std::vector<Ref<void>> pushes;
      for (std::size_t s = 0; s < shards_.size(); ++s) {
        const Buffer parameters = get(get(pulls[s]));
        UniqueBuffer gradient = create_buffer(parameters.size_bytes);
        std::ranges::fill(floats(gradient), kGradient);
        pushes.push_back(shards_[s].call<&Shard::update>(put(std::move(gradient))));
      }
      get(pushes);
    }
  }

 private:
  std::vector<Actor<Shard>> shards_;
};

void parameter_server(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Actor<Shard>> shards;
  std::vector<Actor<Pusher>> pushers;
  for (std::size_t i = 0; i < kShards; ++i) shards.push_back(actor<Shard>(kParameters / kShards));
  for (std::size_t i = 0; i < kTrainers; ++i) pushers.push_back(actor<Pusher>(shards));
  double done = 0;
  const auto round = [&](int updates) {
    std::vector<Ref<void>> runs;
    for (const auto& pusher : pushers) runs.push_back(pusher.call<&Pusher::run>(updates));
    get(runs);
    done += kTrainers * updates;
  };
  round(2);
  std::vector<Run> runs;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const Stopwatch watch;
    round(kUpdates);
    runs.push_back(watch.stop(kTrainers * kUpdates / watch.seconds(), true));
  }
  for (const auto& shard : shards) {
    const Buffer last = get(get(shard.call<&Shard::parameters>()));
    for (const float parameter : elements<float>(last)) {
      check(std::abs(parameter - done * kGradient) < 1e-3 * done, "a parameter after all updates");
    }
  }
  harness.emit(kServer, "updates/s", runs, {{"gb_per_s", median_value(runs) * kParameters * sizeof(float) * 2 / 1e9}});
}

// --- forests

constexpr std::string_view kForestsAlone = "20 random forests on 20640x8: sequential";
constexpr std::string_view kForestTasks = "20 random forests on 20640x8: 20 tasks";
constexpr std::string_view kForestsFaster = "20 random forests on 20640x8: times as fast";

// By the example program, once: it takes a minute.
void forests(Harness& harness) {
  Child child({program_folder() + "/random_forests", deps_folder() + "/housing/housing.csv"});
  const std::string printed = child.read_all();
  if (const std::string why = child.wait(); !why.empty()) throw std::runtime_error("random_forests " + why);
  double alone = 0, together = 0;
  const auto at = printed.find("one after another:");
  if (at == std::string::npos ||
      std::sscanf(printed.c_str() + at, "one after another: %lf s tasks on 2 CPUs: %lf s", &alone, &together) != 2) {
    throw std::runtime_error("random_forests printed something else than expected");
  }
  harness.emit(kForestsAlone, "s", {{.value = alone}});
  harness.emit(kForestTasks, "s", {{.value = together}});
  harness.emit(kForestsFaster, "times", {{.value = alone / together}});
}

}  // namespace

Area examples_area() {
  return {"examples",
          {
              {{kOneThread, kPutAndSum, kStored}, sums},
              {{kListTasks, kListPieces}, lists},
              {{kServer}, parameter_server},
              {{kForestsAlone, kForestTasks, kForestsFaster}, forests},
          }};
}

}  // namespace manta::bench
