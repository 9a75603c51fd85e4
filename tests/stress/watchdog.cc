#include "tests/stress/watchdog.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/client/client.h"

namespace manta::stress {

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// This process and all below it, with the function of the kernel in which each thread is.
void print_processes(pid_t pid, int depth) {
  const std::string dir = "/proc/" + std::to_string(pid);
  std::fprintf(stderr, "%*s%d %s:", 2 * depth, "", pid, first_line(dir + "/comm").c_str());
  std::vector<std::string> threads;
  if (DIR* tasks = ::opendir((dir + "/task").c_str())) {
    while (const dirent* entry = ::readdir(tasks)) {
      if (entry->d_name[0] != '.') threads.emplace_back(entry->d_name);
    }
    ::closedir(tasks);
  }
  std::vector<pid_t> children;
  for (const std::string& thread : threads) {
    const std::string stat = first_line(dir + "/task/" + thread + "/stat");
    const std::size_t state = stat.rfind(") ");
    std::fprintf(stderr, " %s %c %s;", thread.c_str(), state == std::string::npos ? '?' : stat[state + 2],
                 first_line(dir + "/task/" + thread + "/wchan").c_str());
    std::ifstream list(dir + "/task/" + thread + "/children");
    for (pid_t child; list >> child;) children.push_back(child);
  }
  std::fprintf(stderr, "\n");
  for (const pid_t child : children) print_processes(child, depth + 1);
}

// The process hangs: perhaps a thread of it keeps the owner's mutex.
void print_open_tasks() {
  client::Client* client = client::Client::current();
  if (client == nullptr) return;
  auto printed = std::make_shared<std::promise<void>>();
  std::future<void> done = printed->get_future();
  std::thread([client, printed] {
    std::fputs(client->describe().c_str(), stderr);
    printed->set_value();
  }).detach();
  if (done.wait_for(std::chrono::seconds(2)) == std::future_status::ready) return;
  std::fprintf(stderr, "the owner's mutex is held\n");
}

}  // namespace

void print_state() {
  print_open_tasks();
  print_processes(::getpid(), 0);
}

Watchdog::Watchdog(std::chrono::seconds limit, std::function<void()> more)
    : limit_(limit), more_(std::move(more)), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  stop_ = true;
  thread_.join();
}

void Watchdog::watch() {
  std::uint64_t seen = 0;
  auto since = std::chrono::steady_clock::now();
  while (!stop_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::uint64_t now = count_.load(std::memory_order_relaxed);
    if (now != seen) {
      seen = now;
      since = std::chrono::steady_clock::now();
    } else if (std::chrono::steady_clock::now() - since > limit_) {
      std::fprintf(stderr, "HANG: no progress for %lld s after %llu steps\n", static_cast<long long>(limit_.count()),
                   static_cast<unsigned long long>(seen));
      print_state();
      if (more_) more_();
      const char* mode = std::getenv("MANTA_STRESS_HANG");
      if (mode == nullptr || std::strcmp(mode, "wait") != 0) std::abort();
      std::fprintf(stderr, "waiting for a debugger: gdb -p %d\n", ::getpid());
      for (;;) ::pause();
    }
  }
}

double option(int argc, char** argv, const char* name, double otherwise) {
  const std::string prefix = std::string("--") + name + "=";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], prefix.c_str(), prefix.size()) == 0) return std::atof(argv[i] + prefix.size());
  }
  return otherwise;
}

std::uint64_t seed_of(int argc, char** argv) {
  const auto seed = static_cast<std::uint64_t>(option(argc, argv, "seed", std::random_device()() % 1'000'000'000));
  std::printf("seed %llu (again: --seed=%llu)\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace manta::stress
