// Results as they come, for a thread that waits for other things too: an event loop.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <manta/detail/runtime_api.h>
#include <manta/ref.h>

namespace manta {

/// Watches any number of refs, and tells which of them have become ready. take() looks, and does not block; arm() asks
/// for a call of `wake` when there is something to take. So a loop takes, does other work, and arms before it sleeps:
///
///     ReadyQueue results([&] { loop.notify(); });               // for example a write to an eventfd
///     results.add(ref, 7);
///     for (;;) {
///       for (std::uint64_t token : results.take()) use(token);  // 7: ref is ready, get(ref) does not wait
///       if (loop.poll() == 0 && results.arm()) loop.sleep();
///     }
///
/// **Threading**: one thread, the loop's. wake is called from any thread, once for each arm() that returned true; it
/// must not block and must not call Manta. **Ownership**: holds what it watches until that is taken. Destroy it before
/// the Runtime. **Errors**: add throws Error: invalid_argument for an empty ref, unavailable without a runtime.
class ReadyQueue {
 public:
  explicit ReadyQueue(std::function<void()> wake);
  ~ReadyQueue();
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;

  template <class T>
  void add(const Ref<T>& ref, std::uint64_t token) {
    add_entry(ref.entry(), token);
  }
  /// Tokens of those that became ready since the last time, in the order in which they did; valid until the next call.
  /// While a loop takes again and again without arming, results of the process' other threads come in through it too.
  const std::vector<std::uint64_t>& take();
  /// False: there is something to take now, wake will not be called.
  [[nodiscard]] bool arm();

 private:
  struct Impl;
  void add_entry(detail::EntryHead& entry, std::uint64_t token);
  std::unique_ptr<Impl> impl_;
};

}  // namespace manta
