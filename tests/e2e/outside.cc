#include "tests/e2e/outside.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace manta::e2e {

namespace {

constexpr const char* kVariable = "MANTA_TEST_OUTSIDE";
Outside* page = nullptr;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

bool prepare_outside() {
  // Without close-on-exec: workers have the descriptors that were open before init, also when they are executed.
  const char* number = std::getenv(kVariable);
  int fd = number != nullptr ? std::atoi(number) : -1;
  if (number == nullptr) {
    fd = ::memfd_create("manta-test-outside", 0);
    if (fd < 0 || ::ftruncate(fd, sizeof(Outside)) != 0) die("memfd of the test");
    ::setenv(kVariable, std::to_string(fd).c_str(), 1);
  }
  void* mapped = ::mmap(nullptr, sizeof(Outside), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) die("page of the test");
  page = static_cast<Outside*>(mapped);
  return number == nullptr;
}

Outside& outside() { return *page; }

bool await_cell(std::size_t cell, std::int64_t value, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit * slowness();
  while (outside()[cell] < value) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

Gauge::Gauge(std::size_t cell, std::int64_t amount) : cell_(cell), amount_(amount) {
  const std::int64_t now = outside()[cell].fetch_add(amount) + amount;
  auto& high = outside()[cell + 1];
  for (std::int64_t seen = high; seen < now && !high.compare_exchange_weak(seen, now);) {
  }
}

Gauge::~Gauge() { outside()[cell_].fetch_sub(amount_); }

}  // namespace manta::e2e
