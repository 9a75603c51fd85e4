// An actor: an object in a process of its own, that several tasks call by its handle or by its name.
//
//   build/release/bin/counter
//
// prints
//
//   two tasks have counted to 2000
//   a third found "hits" by its name: 2010
//   refused: std::invalid_argument: only up
//   and it goes on: 2011

#include <iostream>
#include <optional>
#include <stdexcept>

#include <manta/manta.h>

// Any class can be an actor. Its methods run one after another, so it needs no lock.
class Counter {
 public:
  explicit Counter(int start) : value_(start) {}
  int add(int by) {
    if (by < 0) throw std::invalid_argument("only up");
    return value_ += by;
  }
  int value() const { return value_; }

 private:
  int value_;
};

// A handle is an argument like any other.
void count(const manta::Actor<Counter>& counter, int times) {
  manta::Ref<int> last;
  for (int i = 0; i < times; ++i) last = counter.call<&Counter::add>(1);  // returns at once
  (void)manta::get(last);  // the calls of one caller run in their order: with the last, all are done
}

int find_and_count(int times) {
  const std::optional<manta::Actor<Counter>> counter = manta::find_actor<Counter>("hits");
  if (!counter) throw std::runtime_error("there is no actor of this name");
  count(*counter, times);
  return manta::get(counter->call<&Counter::value>());
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);

  // It lives as long as a handle of it, and its creator.
  const manta::Actor<Counter> counter = manta::actor<Counter>.options({.name = "hits"})(0);

  const manta::Ref<void> first = manta::remote<count>(counter, 1000);
  const manta::Ref<void> second = manta::remote<count>(counter, 1000);
  manta::get(first);
  manta::get(second);
  std::cout << "two tasks have counted to " << manta::get(counter.call<&Counter::value>()) << '\n';

  const manta::Ref<int> third = manta::remote<find_and_count>(10);
  std::cout << "a third found \"hits\" by its name: " << manta::get(third) << '\n';

  // What a method throws arrives where its result is asked for; the actor lives on.
  try {
    std::cout << manta::get(counter.call<&Counter::add>(-1)) << '\n';
  } catch (const manta::TaskError& error) {
    std::cout << "refused: " << error.task()->type << ": " << error.task()->what << '\n';
  }
  std::cout << "and it goes on: " << manta::get(counter.call<&Counter::add>(1)) << '\n';
}
