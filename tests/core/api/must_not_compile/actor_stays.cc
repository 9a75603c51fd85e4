// EXPECT: manta: parameter 1 of the function has a type that cannot be serialised
#include <mutex>

#include <manta/manta.h>

struct Holder {
  explicit Holder(std::unique_lock<std::mutex> held) : lock(std::move(held)) {}
  std::unique_lock<std::mutex> lock;
};

auto make() { return manta::actor<Holder>(std::unique_lock<std::mutex>()); }
