// 100 million numbers, stored once, summed in chunks by tasks that read them in place.
//
//   build/release/bin/sum_chunks
//
// prints, with other times
//
//   one process:      4999999950000000 in # ms
//   8 tasks, 2 CPUs:  4999999950000000 in # ms, # times as fast

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

#include <manta/manta.h>

constexpr std::size_t kNumbers = 100'000'000;
constexpr std::size_t kChunks = 8;

std::int64_t sum(std::span<const std::int32_t> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

std::span<const std::int32_t> numbers_in(const manta::Buffer& buffer) {
  return {reinterpret_cast<const std::int32_t*>(buffer.data), buffer.size_bytes / sizeof(std::int32_t)};
}

// A Buffer that arrives by reference is a view of the node's object memory: no task copies what it sums.
std::int64_t sum_chunk(const manta::Buffer& buffer, std::size_t from, std::size_t to) {
  return sum(numbers_in(buffer).subspan(from, to - from));
}

std::int64_t sum_by_tasks(const manta::Ref<manta::Buffer>& numbers) {
  std::vector<manta::Ref<std::int64_t>> sums;
  for (std::size_t i = 0; i < kChunks; ++i) {
    sums.push_back(manta::remote<sum_chunk>(numbers, i * kNumbers / kChunks, (i + 1) * kNumbers / kChunks));
  }
  const std::vector<std::int64_t> all = manta::get(sums);
  return std::accumulate(all.begin(), all.end(), std::int64_t{0});
}

// The best of five, so that neither pages touched for the first time nor a busy machine count.
template <class Body>
double milliseconds(Body&& body) {
  std::chrono::duration<double, std::milli> best = std::chrono::hours(1);
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min<std::chrono::duration<double, std::milli>>(best, std::chrono::steady_clock::now() - start);
  }
  return best.count();
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});

  // Made where it stays; put(std::vector<...>) would copy it there.
  manta::UniqueBuffer memory = manta::create_buffer(kNumbers * sizeof(std::int32_t));
  auto* first = reinterpret_cast<std::int32_t*>(memory.bytes().data());
  std::iota(first, first + kNumbers, 0);
  const manta::Ref<manta::Buffer> numbers = manta::put(std::move(memory));

  const manta::Buffer here = manta::get(numbers);  // a view too
  std::int64_t one = 0, many = 0;
  const double alone = milliseconds([&] { one = sum(numbers_in(here)); });
  const double together = milliseconds([&] { many = sum_by_tasks(numbers); });
  std::printf("one process:      %lld in %.1f ms\n", static_cast<long long>(one), alone);
  std::printf("%zu tasks, %.0f CPUs:  %lld in %.1f ms, %.2f times as fast\n", kChunks, runtime.num_cpus(),
              static_cast<long long>(many), together, alone / together);
}
