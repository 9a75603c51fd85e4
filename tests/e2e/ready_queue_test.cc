// ReadyQueue: results for an event loop.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <manta/manta.h>

namespace {

using namespace std::chrono_literals;

int twice(int x) { return 2 * x; }
int after(int ms, int value) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  return value;
}
int fails(int) { throw std::runtime_error("no"); }
struct Echo {
  int say(int x) { return x; }
};

// A loop that sleeps in poll(2) only.
class Loop {
 public:
  Loop() : event_(::eventfd(0, EFD_NONBLOCK)), queue_([this] { ::eventfd_write(event_, 1); }) {}
  ~Loop() { ::close(event_); }
  manta::ReadyQueue& queue() { return queue_; }
  // The next tokens; empty: nothing came within the limit.
  std::vector<std::uint64_t> next(std::chrono::milliseconds limit = 20s) {
    for (;;) {
      if (const auto& tokens = queue_.take(); !tokens.empty()) return tokens;
      if (!queue_.arm()) continue;
      pollfd wait{event_, POLLIN, 0};
      if (::poll(&wait, 1, static_cast<int>(limit.count())) == 0) return {};
      eventfd_t count = 0;
      ::eventfd_read(event_, &count);
    }
  }

 private:
  int event_;
  manta::ReadyQueue queue_;
};

TEST(ReadyQueue, ALoopThatSleepsElsewhereHearsOfEveryResultOnce) {
  Loop loop;
  std::map<std::uint64_t, manta::Ref<int>> refs;
  auto echo = manta::actor<Echo>();
  for (int i = 0; i < 1000; ++i) {
    refs[i] = i % 2 == 0 ? manta::remote<twice>(i) : echo.call<&Echo::say>(2 * i);
    loop.queue().add(refs[i], i);
  }
  while (!refs.empty()) {
    const auto tokens = loop.next();
    ASSERT_FALSE(tokens.empty()) << refs.size() << " left";
    for (const std::uint64_t token : tokens) {
      ASSERT_TRUE(refs.contains(token)) << token << " came twice";
      EXPECT_TRUE(refs[token].ready());
      EXPECT_EQ(manta::get(refs[token]), 2 * static_cast<int>(token));
      refs.erase(token);
    }
  }
}

TEST(ReadyQueue, WakesALoopThatSleepsLong) {
  Loop loop;
  for (int i = 0; i < 5; ++i) {
    const auto ref = manta::remote<after>(30, i);
    loop.queue().add(ref, 7);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(loop.next(), std::vector<std::uint64_t>{7});
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
    EXPECT_EQ(manta::get(ref), i);
  }
}

TEST(ReadyQueue, AnErrorIsAResult) {
  Loop loop;
  const auto ref = manta::remote<fails>(1);
  loop.queue().add(ref, 1);
  EXPECT_EQ(loop.next(), std::vector<std::uint64_t>{1});
  EXPECT_THROW((void)manta::get(ref), manta::TaskError);
}

TEST(ReadyQueue, WhatIsReadyAlreadyAndTheSameRefTwice) {
  Loop loop;
  const auto ref = manta::put(3);
  loop.queue().add(ref, 1);
  EXPECT_FALSE(loop.queue().arm());
  EXPECT_EQ(loop.next(), std::vector<std::uint64_t>{1});
  const auto later = manta::remote<after>(10, 1);
  loop.queue().add(later, 2);
  loop.queue().add(later, 3);
  std::vector<std::uint64_t> tokens;
  while (tokens.size() < 2) {
    const auto more = loop.next();
    ASSERT_FALSE(more.empty());
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  EXPECT_EQ(tokens, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_THROW(loop.queue().add(manta::Ref<int>(), 1), manta::Error);
}

TEST(ReadyQueue, RefsMayGoWhileTheyAreWatchedAndTheQueueBeforeThem) {
  manta::Ref<int> kept;
  {
    Loop loop;
    loop.queue().add(manta::remote<after>(5, 1), 1);  // the queue alone holds it
    EXPECT_EQ(loop.next(), std::vector<std::uint64_t>{1});
    kept = manta::remote<after>(20, 2);
    loop.queue().add(kept, 2);
  }
  EXPECT_EQ(manta::get(kept), 2);
}

// A thread in get() and a loop share the results that come in: neither sleeps through its own.
TEST(ReadyQueue, BesideThreadsThatWait) {
  Loop loop;
  std::jthread other([](std::stop_token stop) {
    auto echo = manta::actor<Echo>();
    for (int i = 0; !stop.stop_requested(); ++i) ASSERT_EQ(manta::get(echo.call<&Echo::say>(i)), i);
  });
  auto echo = manta::actor<Echo>();
  for (int i = 0; i < 2000; ++i) {
    const auto ref = echo.call<&Echo::say>(i);
    loop.queue().add(ref, static_cast<std::uint64_t>(i));
    ASSERT_EQ(loop.next(), std::vector<std::uint64_t>{static_cast<std::uint64_t>(i)});
    ASSERT_EQ(manta::get(ref), i);
  }
}

}  // namespace
