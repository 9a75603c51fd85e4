// Core: put and get of small objects, of a gigabyte, of references. Names and shapes are those of the peer's script.
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

constexpr std::size_t kGigabyte = 1'000'000'000;
constexpr std::size_t kPage = 4096;
constexpr int kRefs = 10'000;

constexpr std::string_view kGetSmall = "single client get calls (Plasma Store)";
constexpr std::string_view kPutSmall = "single client put calls (Plasma Store)";
constexpr std::string_view kGetBorrowed = "get of 10k refs that another process owns";
constexpr std::string_view kGetRefs = "single client get object containing 10k refs";
constexpr std::string_view kPutLarge = "put 1 GB numpy array";
constexpr std::string_view kPutCold = "put 1 GB, the first of the process";
constexpr std::string_view kCopy = "memcpy of 1 GB into shared memory, touched before";
constexpr std::string_view kCopyCold = "memcpy of 1 GB into shared memory, fresh";
constexpr std::string_view kPutInPlace = "put 1 GB, created in place";
constexpr std::string_view kGetLarge = "get 1 GB numpy array in another process (zero copy)";
constexpr std::string_view kTouch = "touch every 4 KiB page of that 1 GB array";
constexpr std::string_view kGetOwn = "get 1 GB numpy array in the owner (zero copy)";

constexpr std::string_view kVectorTasks = "20 tasks over a stored vector of 400 MB, const std::vector<float>&";
constexpr std::string_view kArrayTasks = "20 tasks over a stored vector of 400 MB, manta::Array<float>";
constexpr std::string_view kArrayGet = "get of a stored vector of 400 MB as manta::Array<float>";

void small_objects_get(Harness& harness) {
  const Runtime runtime = harness.start();
  const Ref<int> value = put(7);
  harness.rate(kGetSmall, [&] { check(get(value) == 7, "a small object"); });
}

void small_objects_put(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.rate(kPutSmall, [] { check(static_cast<bool>(put(7)), "a reference"); });
}

std::vector<Ref<int>> many_refs() {
  std::vector<Ref<int>> refs;
  refs.reserve(kRefs);
  for (int i = 0; i < kRefs; ++i) refs.push_back(put(i));
  return refs;
}

void refs_in_an_object(Harness& harness) {
  const Runtime runtime = harness.start();
  const Ref<std::vector<Ref<int>>> object = remote<many_refs>();
  harness.rate(kGetRefs, [&] { check(get(object).size() == kRefs, "an object of references"); });
}

// The values of references whose owner is another process; no process here has read them before.
void borrowed_refs(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Run> runs;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const std::vector<Ref<int>> refs = get(remote<many_refs>());
    const Stopwatch watch;
    check(get(refs).size() == kRefs, "values of borrowed references");
    runs.push_back(watch.stop(watch.seconds(), false));
  }
  harness.emit(kGetBorrowed, "s", runs);
}

std::shared_ptr<std::vector<std::byte>> gigabyte() {
  return std::make_shared<std::vector<std::byte>>(kGigabyte, std::byte{1});
}

struct Read {
  double get = 0, touch = 0;  // seconds
  std::size_t sum = 0;
};

// In a process that has never seen the object's memory, or has let it go since.
Read read(const std::vector<Ref<Buffer>>& refs) {
  Read result;
  const Stopwatch got;
  const Buffer buffer = get(refs[0]);
  result.get = got.seconds();
  const Stopwatch touched;
  for (std::size_t at = 0; at < buffer.size_bytes; at += kPage) {
    result.sum += std::to_integer<std::size_t>(buffer.data[at]);
  }
  result.touch = touched.seconds();
  return result;
}

void large_objects(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto bytes = gigabyte();
  check(get(remote<read>(std::vector{put(Buffer{bytes->data(), 10, bytes})})).sum == 1, "ten bytes");
  std::vector<Run> puts, first, own, gets, touches, in_place;
  for (int i = -1; i < Harness::kRuns; ++i) {
    const Stopwatch put_watch;
    const Ref<Buffer> ref = put(Buffer{bytes->data(), bytes->size(), bytes});
    (i < 0 ? first : puts).push_back(put_watch.stop(put_watch.seconds(), false));
    const Stopwatch read_watch;
    const Read there = get(remote<read>(std::vector{ref}));
    check(there.sum == (kGigabyte + kPage - 1) / kPage, "a gigabyte");
    const Stopwatch own_watch;
    check(get(ref).size_bytes == kGigabyte, "a gigabyte of one's own");
    if (i < 0) continue;
    own.push_back(own_watch.stop(own_watch.seconds(), false));
    gets.push_back(read_watch.stop(there.get, false));
    touches.push_back(read_watch.stop(there.touch, false));
  }
  for (int i = 0; i < Harness::kRuns; ++i) {
    UniqueBuffer buffer = create_buffer(kGigabyte);
    buffer.bytes()[kGigabyte - 1] = std::byte{7};
    const Stopwatch watch;
    const Ref<Buffer> ref = put(std::move(buffer));
    in_place.push_back(watch.stop(watch.seconds(), false));
    check(get(ref).data[kGigabyte - 1] == std::byte{7}, "a gigabyte made in place");
  }
  harness.emit(kPutLarge, "s", puts);
  harness.emit(kPutInPlace, "s", in_place);
  harness.emit(kPutCold, "s", first);
  harness.emit(kGetLarge, "s", gets);
  harness.emit(kTouch, "s", touches);
  harness.emit(kGetOwn, "s", own);
}

float vector_element(const std::vector<float>& numbers, std::size_t at) { return numbers.at(at); }
float array_element(const Array<float>& numbers, std::size_t at) { return numbers.at(at); }

// The tasks look at one element each: what is measured is what they get it by.
template <auto F>
double twenty_tasks(const Ref<std::vector<float>>& stored) {
  std::vector<Ref<float>> refs;
  const Stopwatch watch;
  for (std::size_t i = 0; i < 20; ++i) refs.push_back(remote<F>(stored, i * 5'000'000));
  const std::vector<float> elements = get(refs);
  const double seconds = watch.seconds();
  for (std::size_t i = 0; i < 20; ++i) check(elements[i] == static_cast<float>(i * 5'000'000), "an element");
  return seconds;
}

void vectors_in_place(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<float> numbers(100'000'000);
  for (std::size_t i = 0; i < numbers.size(); i += 5'000'000) numbers[i] = static_cast<float>(i);
  std::vector<Run> vectors, arrays, gets;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const Ref<std::vector<float>> stored = put(numbers);  // each time one that no worker has seen
    const Stopwatch watch;
    vectors.push_back(watch.stop(twenty_tasks<vector_element>(stored), false));
    arrays.push_back(watch.stop(twenty_tasks<array_element>(stored), false));
    const Stopwatch get_watch;
    const auto here = get<Array<float>>(stored);
    gets.push_back(get_watch.stop(get_watch.seconds(), false));
    check(here[95'000'000] == 95'000'000.f, "the last element");
  }
  harness.emit(kVectorTasks, "s", vectors);
  harness.emit(kArrayTasks, "s", arrays);
  harness.emit(kArrayGet, "s", gets);
}

// What put cannot be faster than: shared memory, as the store's.
void copies(Harness& harness) {
  const auto bytes = gigabyte();
  std::vector<Run> cold, warm;
  for (int i = 0; i < Harness::kRuns; ++i) {
    void* memory =
        ::mmap(nullptr, kGigabyte, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(memory != MAP_FAILED, "a gigabyte of shared memory");
    auto* target = static_cast<std::byte*>(memory);
    for (std::vector<Run>* runs : {&cold, &warm}) {
      const Stopwatch watch;
      std::memcpy(target, bytes->data(), kGigabyte);
      runs->push_back(watch.stop(watch.seconds(), false));
      check(target[kGigabyte - 1] == std::byte{1}, "a copy");
    }
    ::munmap(memory, kGigabyte);
  }
  harness.emit(kCopyCold, "s", cold);
  harness.emit(kCopy, "s", warm);
}

}  // namespace

std::vector<Case> object_cases() {
  return {
      {{kGetSmall}, small_objects_get},
      {{kPutSmall}, small_objects_put},
      {{kGetRefs}, refs_in_an_object},
      {{kGetBorrowed}, borrowed_refs},
      {{kPutLarge, kPutCold, kPutInPlace, kGetLarge, kTouch, kGetOwn}, large_objects},
      {{kVectorTasks, kArrayTasks, kArrayGet}, vectors_in_place},
      {{kCopyCold, kCopy}, copies},
  };
}

}  // namespace manta::bench
