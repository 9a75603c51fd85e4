// The program that the commands of docs/debugging.md are tried on.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <manta/manta.h>

// Writes its process id into FOLDER/pid, and waits for FOLDER/go.
int waits_for_go(const std::string& folder) {
  std::FILE* file = std::fopen((folder + "/new").c_str(), "w");
  std::fprintf(file, "%d\n", ::getpid());
  std::fclose(file);
  (void)std::rename((folder + "/new").c_str(), (folder + "/pid").c_str());
  for (int i = 0; i < 6000 && ::access((folder + "/go").c_str(), F_OK) != 0; ++i) ::usleep(10'000);
  return 1;
}

int writes_behind_its_end(int n) {
  auto* numbers = new int[static_cast<std::size_t>(n)];
  volatile int* end = numbers + n;
  *end = 1;
  delete[] numbers;
  return n;
}

int returns_twice(int n) { return 2 * n; }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 1, .num_gpus = 0});
  const std::string what = argc > 1 ? argv[1] : "";
  if (what.empty()) (void)manta::get(manta::remote<returns_twice>(4));
  const auto result =
      what == "wait" ? manta::try_get(manta::remote<waits_for_go>.options({.max_retries = 0})(std::string(argv[2])))
                     : manta::try_get(manta::remote<writes_behind_its_end>.options({.max_retries = 0})(3));
  if (!result) std::fprintf(stderr, "%s\n", result.error().what());
  return result ? 0 : 1;
}
