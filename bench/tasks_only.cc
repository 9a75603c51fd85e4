// Tasks and actor calls that do nothing, in a program without LibTorch, for instructions.sh and tests/setup/path.py:
//
//   tasks_only count KIND BLOCKS   under callgrind: a dump of the driver's and one of the worker's costs for each block
//   tasks_only trace KIND          prints the process ids of driver and worker; then, after a line on standard input,
//                                  one task or call between path_begin, path_submitted and path_end
//
// KIND: tasks-sync, tasks-async, calls-sync, calls-async. sync: one after the other; async: blocks of 1,000.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include <manta/manta.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

// Where path.py begins, divides and ends what it records.
extern "C" {
[[gnu::noinline]] void path_begin() { asm volatile(""); }
[[gnu::noinline]] void path_submitted() { asm volatile(""); }
[[gnu::noinline]] void path_end() { asm volatile(""); }
}

namespace {

constexpr int kValue = 7;
constexpr int kSyncBlock = 200;
constexpr int kAsyncBlock = 1000;
constexpr int kWarmUps = 3;

[[gnu::noinline]] int nothing() {
  asm volatile("");
  return kValue;
}
// Its caller sleeps before it returns.
[[gnu::noinline]] int pause_here() {
  ::usleep(50'000);
  return kValue;
}
int process() { return ::getpid(); }
int zero() {
  CALLGRIND_ZERO_STATS;
  return kValue;
}
int dump() {
  CALLGRIND_DUMP_STATS_AT("worker");
  return kValue;
}

struct Idle {
  [[gnu::noinline]] int nothing() {
    asm volatile("");
    return kValue;
  }
  int pause_here() { return ::pause_here(); }
  int process() { return ::getpid(); }
  int zero() { return ::zero(); }
  int dump() { return ::dump(); }
};

void check(int value) {
  if (value == kValue) return;
  std::fprintf(stderr, "tasks_only: a wrong result\n");
  std::exit(1);
}

struct Tasks {
  manta::Ref<int> submit() const { return manta::remote<nothing>(); }
  manta::Ref<int> submit_pause() const { return manta::remote<pause_here>(); }
  int process() const { return manta::get(manta::remote<::process>()); }
  void zero() const { check(manta::get(manta::remote<::zero>())); }
  void dump() const { check(manta::get(manta::remote<::dump>())); }
};

struct Calls {
  manta::Actor<Idle> actor = manta::actor<Idle>();
  manta::Ref<int> submit() const { return actor.call<&Idle::nothing>(); }
  manta::Ref<int> submit_pause() const { return actor.call<&Idle::pause_here>(); }
  int process() const { return manta::get(actor.call<&Idle::process>()); }
  void zero() const { check(manta::get(actor.call<&Idle::zero>())); }
  void dump() const { check(manta::get(actor.call<&Idle::dump>())); }
};

template <class Work>
void run_block(const Work& work, bool async) {
  if (!async) {
    for (int i = 0; i < kSyncBlock; ++i) check(manta::get(work.submit()));
    return;
  }
  std::vector<manta::Ref<int>> refs;
  refs.reserve(kAsyncBlock);
  for (int i = 0; i < kAsyncBlock; ++i) refs.push_back(work.submit());
  for (const manta::Ref<int>& ref : refs) check(manta::get(ref));
}

template <class Work>
void count(const Work& work, bool async, int blocks) {
  for (int i = 0; i < kWarmUps; ++i) run_block(work, async);
  for (int i = 0; i < blocks; ++i) {
    work.zero();
    CALLGRIND_ZERO_STATS;
    run_block(work, async);
    CALLGRIND_DUMP_STATS_AT("driver");
    work.dump();
  }
  std::printf("%d\n", async ? kAsyncBlock : kSyncBlock);
}

template <class Work>
void trace(const Work& work) {
  std::printf("%d %d\n", ::getpid(), work.process());
  std::fflush(stdout);
  (void)std::getchar();
  for (int i = 0; i < kWarmUps; ++i) check(manta::get(work.submit_pause()));
  path_begin();
  const manta::Ref<int> ref = work.submit_pause();
  path_submitted();
  const int value = manta::get(ref);
  path_end();
  check(value);
}

template <class Work>
void run(std::string_view mode, bool async, int blocks) {
  const Work work;
  mode == "trace" ? trace(work) : count(work, async, blocks);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  const std::string_view kind = argc > 2 ? argv[2] : "";
  const int blocks = argc > 3 ? std::atoi(argv[3]) : 1;
  const bool async = kind.ends_with("-async");
  if ((mode != "count" && mode != "trace") || !(async || kind.ends_with("-sync"))) {
    std::fprintf(stderr, "tasks_only count|trace tasks-sync|tasks-async|calls-sync|calls-async [BLOCKS]\n");
    return 2;
  }
  auto runtime = manta::init(argc, argv, {.num_cpus = 1, .spin = std::chrono::microseconds(0)});
  kind.starts_with("calls") ? run<Calls>(mode, async, blocks) : run<Tasks>(mode, async, blocks);
  return 0;
}
