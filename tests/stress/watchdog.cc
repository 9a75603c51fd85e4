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

const char* name_of(owner::Phase phase) {
  switch (phase) {
    case owner::Phase::waiting:
      return "waiting for arguments";
    case owner::Phase::queued:
      return "queued";
    case owner::Phase::pushed:
      return "in a worker's ring";
    case owner::Phase::here:
      return "running here";
    case owner::Phase::borrowed:
      return "borrowed";
    default:
      return nullptr;
  }
}

void print_entries(client::Client* client) {
  const MutexLock guard(client->lock());
  owner::Owner& owner = client->owner();
  std::fprintf(stderr, "owner: %zu entries, %llu unfinished, invariants: \"%s\"\n", owner.objects().table().live(),
               static_cast<unsigned long long>(owner.tasks().unfinished()), owner.check_invariants().c_str());
  int printed = 0;
  owner.objects().table().for_each([&](const owner::Entry& entry) {
    const char* phase = name_of(entry.phase);
    if (phase == nullptr || ++printed > 40) return;
    std::fprintf(stderr, "  %s: %s, attempt %u, shape %u", entry.id.to_string().c_str(), phase, entry.attempt,
                 entry.shape);
    if (entry.extra) std::fprintf(stderr, ", %u arguments missing", entry.extra->unresolved);
    if (const owner::Lease* lease = entry.lease) {
      std::fprintf(stderr, ", lease %llu on worker %llu: %u in flight%s%s%s",
                   static_cast<unsigned long long>(lease->id.value),
                   static_cast<unsigned long long>(lease->worker.value), lease->in_flight,
                   lease->blocked ? ", blocked" : "", lease->yielding ? ", yielding" : "", lease->full ? ", full" : "");
    }
    std::fprintf(stderr, "\n");
  });
  const net::Doorbell& bell = client->slot().replies;
  std::fprintf(stderr, "doorbell: %u rings, ready %llx, %u sleepers\n", bell.rings.load(),
               static_cast<unsigned long long>(bell.ready.load()), bell.sleepers.load());
}

// The process hangs: perhaps a thread of it keeps the lock.
void print_open_tasks() {
  client::Client* client = client::Client::current();
  if (client == nullptr) return;
  auto printed = std::make_shared<std::promise<void>>();
  std::future<void> done = printed->get_future();
  std::thread([client, printed] {
    print_entries(client);
    printed->set_value();
  }).detach();
  if (done.wait_for(std::chrono::seconds(2)) == std::future_status::ready) return;
  std::fprintf(stderr, "the client's lock is held\n");
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
