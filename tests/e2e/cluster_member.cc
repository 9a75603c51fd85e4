#include "tests/e2e/cluster_member.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/e2e/outside.h"
#include "tests/support/exec_self.h"

namespace manta::e2e {

using namespace std::chrono_literals;

int argc_of_main = 0;
char** argv_of_main = nullptr;

namespace {

constexpr const char* kMember = "--member=";
constexpr const char* kName = "MANTA_TEST_NODE_NAME";

// A driver in a process of its own: tells its port in cell 1, then cell 0, and how many nodes there are in cell 2.
[[noreturn]] void be_head() {
  try {
    auto runtime = init(argc_of_main, argv_of_main, {.num_cpus = 1, .num_gpus = 0, .listen = "127.0.0.1:0"});
    const std::string address = runtime.address();
    outside()[1] = std::atoi(address.c_str() + address.rfind(':') + 1);
    outside()[0] = 1;
    for (;;) {
      outside()[2] = static_cast<std::int64_t>(runtime.nodes().size());
      std::this_thread::sleep_for(1ms);
      (void)get(remote<node_name>());
    }
  } catch (const Error&) {
    std::exit(1);
  }
}

}  // namespace

std::vector<std::string> member_arguments(const std::string& address, const std::string& name, double cpus,
                                          const std::string& resource) {
  std::vector<std::string> arguments{kMember + name, "--manta-join=" + address,
                                     "--manta-num-cpus=" + std::to_string(cpus)};
  if (!resource.empty()) arguments.push_back("--resource=" + resource);
  return arguments;
}

void prepare_member(int argc, char** argv) {
  argc_of_main = argc;
  argv_of_main = argv;
  if (argc == 2 && std::strcmp(argv[1], "--head-of-test") == 0) be_head();
  if (argc < 2 || std::strncmp(argv[1], kMember, std::strlen(kMember)) != 0) return;
  ::setenv(kName, argv[1] + std::strlen(kMember), 1);
  InitOptions options{.num_gpus = 0};
  for (int i = 2; i < argc; ++i) {
    if (std::strncmp(argv[i], "--resource=", 11) == 0) options.resources[0] = {argv[i] + 11, 1};
  }
  try {
    auto runtime = init(argc, argv, options);  // does not return
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::exit(3);
  }
  std::exit(4);
}

std::string node_name() {
  const char* name = std::getenv(kName);
  return name != nullptr ? name : "head";
}

MemberProcess::MemberProcess(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  errors_ = ::memfd_create("manta-test-errors", MFD_CLOEXEC);
  const ExecSelf program(arguments, environment);
  pid_ = ::fork();
  if (pid_ > 0) return;
  ::dup2(errors_, 2);
  program.run();
}

MemberProcess::~MemberProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(errors_);
}

int MemberProcess::status(std::chrono::milliseconds limit) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd wanted{fd, POLLIN, 0};
  const bool ended = ::poll(&wanted, 1, static_cast<int>(limit.count())) == 1;
  ::close(fd);
  if (!ended) return -1;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

std::string MemberProcess::errors() const {
  std::string text(100'000, '\0');
  const ssize_t n = ::pread(errors_, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

bool await_nodes(const Runtime& runtime, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + 10s * slowness();
  while (runtime.nodes().size() != count) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(500us);
  }
  return true;
}

// Workers that are executed come by here, too, on their way to init.
void ClusterTest::SetUp() {
  if (std::getenv("MANTA_ROLE") == nullptr) outside().clear();
}

void ClusterTest::TearDown() {
  runtime_.reset();
  sessions_.clear();
}

void ClusterTest::start(double cpus) {
  runtime_.emplace(init(argc_of_main, argv_of_main, {.num_cpus = cpus, .num_gpus = 0, .listen = "127.0.0.1:0"}));
  ASSERT_NE(runtime_->address(), "");
}

Session& ClusterTest::join(const std::string& name, double cpus, const std::string& resource) {
  const std::size_t before = runtime_->nodes().size();
  sessions_.push_back(std::make_unique<Session>(member_arguments(runtime_->address(), name, cpus, resource)));
  EXPECT_TRUE(await_nodes(*runtime_, before + 1));
  names_.emplace_back(name, runtime_->nodes().back().id);
  return *sessions_.back();
}

NodeId ClusterTest::id_of(const std::string& name) {
  for (const auto& [known, id] : names_) {
    if (known == name) return id;
  }
  return {};
}

void ClusterTest::expect_nothing_left(Session& session) {
  for (const std::string& line : session.left(5s * slowness())) ADD_FAILURE() << line;
}

}  // namespace manta::e2e
