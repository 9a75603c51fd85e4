// The smallest program with a task, built without and with LibTorch, for the cases of core_start.cc:
//
//   cold_start first   init, one task, its result; prints the seconds from before init to the result
//   cold_start bare    the same function, called directly: no Manta at all
//   cold_start idle    init, ten tasks; prints a line, and stays until its standard input ends
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include <manta/manta.h>

#ifdef MANTA_BENCH_TORCH
#include <torch/torch.h>
static int square(int x) { return (torch::full({1}, x) * x).item<int>(); }
#else
static int square(int x) { return x * x; }
#endif

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "first";
  if (std::strcmp(mode, "bare") == 0) return square(7) == 49 ? 0 : 1;
  const auto start = std::chrono::steady_clock::now();
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});
  if (std::strcmp(mode, "idle") == 0) {
    std::vector<manta::Ref<int>> refs;
    for (int i = 0; i < 10; ++i) refs.push_back(manta::remote<square>(i));
    if (manta::get(refs).back() != 81) return 1;
    std::puts("idle");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
  }
  if (manta::get(manta::remote<square>(7)) != 49) return 1;
  std::printf("%.9f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return 0;
}
