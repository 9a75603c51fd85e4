// Callbacks of refs, and refs in Boost.Asio's loop.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include <manta/asio.h>
#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::e2e::outside;

// What callbacks have said so far.
class Heard {
 public:
  void say(std::string text) {
    const std::lock_guard guard(mutex_);
    texts_.push_back(std::move(text));
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [&] { return texts_.size() >= count; });
    return texts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
};

TEST(Callbacks, RunOnceForEachResult) {
  std::atomic<int> sum{0};
  Heard heard;
  std::atomic<int> left{1000};
  for (int i = 0; i < 1000; ++i) {
    manta::on_ready(manta::remote<>([i] { return i; })(), [&](manta::Result<int> result) {
      sum += result.value();
      if (--left == 0) heard.say("all");
    });
  }
  EXPECT_EQ(heard.wait_for(1).size(), 1u);
  EXPECT_EQ(sum, 499'500);
}

TEST(Callbacks, HaveErrorsAndWhatIsThereAlready) {
  Heard heard;
  manta::on_ready(manta::remote<>([]() -> int { throw std::runtime_error("on purpose"); })(),
                  [&](manta::Result<int> result) {
                    heard.say(result ? "a value" : std::string(manta::to_string(result.error().code())));
                  });
  EXPECT_EQ(heard.wait_for(1), std::vector<std::string>{"task_failed"});
  manta::on_ready(manta::put(std::string("there")), [&](manta::Result<std::string> result) { heard.say(*result); });
  EXPECT_EQ(heard.wait_for(2).back(), "there");
  EXPECT_THROW(manta::on_ready(manta::Ref<int>(), [](manta::Result<int>) {}), manta::Error);
}

TEST(Callbacks, MayCallMantaAndMayThrow) {
  Heard heard;
  manta::on_ready(manta::put(1), [](manta::Result<int>) { throw std::runtime_error("dropped"); });
  manta::on_ready(manta::put(20), [&, unique = std::make_unique<int>(1)](manta::Result<int> result) {
    manta::on_ready(manta::remote<>([x = *result](int y) { return x + y; })(*unique),
                    [&](manta::Result<int> sum) { heard.say(std::to_string(*sum)); });
  });
  EXPECT_EQ(heard.wait_for(1), std::vector<std::string>{"21"});
}

TEST(Callbacks, RunInTasksToo) {
  EXPECT_EQ(manta::get(manta::remote<>([] {
              Heard heard;
              manta::on_ready(manta::remote<>([] { return 5; })(),
                              [&](manta::Result<int> r) { heard.say(std::to_string(*r)); });
              return heard.wait_for(1);
            })()),
            std::vector<std::string>{"5"});
}

// Runs until the test opens its gate.
int pass(int gate) { return manta::e2e::await_cell(gate, 1) ? gate : -1; }

namespace asio = boost::asio;

TEST(Asio, ACoroutineAwaitsValuesAndErrors) {
  asio::io_context loop;
  std::string heard;
  const auto session = [&]() -> asio::awaitable<void> {
    const manta::Ref<std::string> text = manta::remote<>([] { return std::string(10'000, 'a'); })();
    heard += std::to_string((co_await manta::async(text, asio::use_awaitable)).size());
    const manta::Ref<void> nothing = manta::remote<>([] {})();
    co_await manta::async(nothing, asio::use_awaitable);
    try {
      const manta::Ref<int> failed = manta::remote<>([]() -> int { throw std::runtime_error("no"); })();
      (void)co_await manta::async(failed, asio::use_awaitable);
    } catch (const manta::TaskError& error) {
      heard += error.task()->what;
    }
  };
  asio::co_spawn(loop, session, asio::detached);
  loop.run();
  EXPECT_EQ(heard, "10000no");
}

TEST(Asio, TheHandlerRunsInItsExecutorWhichWaitsForIt) {
  outside()[3] = 0;
  asio::io_context loop;
  std::thread::id in;
  const manta::Ref<int> ref = manta::remote<pass>(3);
  asio::post(loop, [&] {
    manta::async(ref, asio::bind_executor(loop, [&](std::exception_ptr error, int value) {
                   EXPECT_EQ(error, nullptr);
                   EXPECT_EQ(value, 3);
                   in = std::this_thread::get_id();
                 }));
    outside()[3] = 1;
  });
  loop.run();
  EXPECT_EQ(in, std::this_thread::get_id());
  EXPECT_EQ(manta::async(ref, asio::use_future).get(), 3);
}

// Last: the runtime of the tests before ends.
TEST(Callbacks, FailAtTheEndOfTheRuntime) {
  outside()[4] = 0;
  Heard heard;
  const manta::Ref<int> ref = manta::remote<pass>(4);
  const auto hear = [&](manta::Result<int> r) {
    heard.say(r ? "a value" : std::string(manta::to_string(r.error().code())));
  };
  manta::on_ready(ref, hear);
  manta::on_ready(ref, [&](manta::Result<int>) {
    try {
      manta::on_ready(ref, hear);
    } catch (const manta::Error& error) {
      heard.say("refused");
    }
  });
  manta::testing::runtime().shutdown();
  std::vector<std::string> texts = heard.wait_for(0);
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(texts, (std::vector<std::string>{"refused", "unavailable"}));
  EXPECT_THROW(manta::on_ready(ref, hear), manta::Error);
  manta::testing::runtime() = manta::init(0, nullptr, {.num_cpus = 2, .num_gpus = 0});
  manta::on_ready(manta::put(1), hear);
  EXPECT_EQ(heard.wait_for(3).back(), "a value");
}

}  // namespace
