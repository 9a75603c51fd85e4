#include <manta/runtime.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <manta/detail/check_option.h>
#include <manta/error.h>
#include <manta/on_ready.h>

#include "core/base/log.h"
#include "core/client/client.h"
#include "core/client/driver.h"
#include "core/client/forked.h"
#include "core/client/retired.h"
#include "core/gpu/devices.h"
#include "core/net/packed.h"
#include "core/net/tls_link.h"
#include "core/node/container.h"
#include "core/node/daemon.h"
#include "core/node/local_node.h"
#include "core/node/spawner.h"
#include "core/observe/timeline.h"
#include "core/sched/resources.h"
#include "core/settings/command_line.h"
#include "core/settings/environment.h"
#include "core/settings/help.h"
#include "core/settings/log_level.h"
#include "core/settings/read.h"
#include "core/store/spill_file.h"
#include "core/worker/executor.h"
#include "core/worker/local_program.h"

namespace manta {

namespace {

using client::Client;
using settings::CommandLine;

constexpr std::uint64_t kBytesPerWorker = 16 << 20;  // a small program's; tasks request what they use

bool runs_locally() { return settings::choice("MANTA_LOCAL") == "1"; }

// Where others may join this node, or where it joins, and the secret for either.
void configure_cluster(node::NodeConfig& config, const CommandLine& flags, const InitOptions& options) {
  config.join = settings::text("MANTA_JOIN", flags);
  if (config.join.empty()) {
    config.listen = options.listen.empty() ? settings::text("MANTA_LISTEN", flags) : options.listen;
  }
  if (config.join.empty() && config.listen.empty()) return;
  if (runs_locally()) {
    throw Error(ErrorCode::invalid_argument,
                "MANTA_LOCAL=1 runs everything in this process: it neither joins other nodes nor listens for them; "
                "unset it, or MANTA_JOIN, MANTA_LISTEN and InitOptions::listen");
  }
  for (const std::string& address : {config.join, config.listen}) {
    if (address.empty()) continue;
    if (auto parts = net::split_address(address); !parts) throw_error(parts.error());
  }
  const std::string file = settings::text("MANTA_SECRET_FILE");
  if (file.empty()) {
    throw Error(
        ErrorCode::invalid_argument,
        "nodes of a cluster need a secret, and MANTA_SECRET_FILE names none; make one with `openssl rand -hex 32 "
        "> FILE && chmod 600 FILE`, give the same file to every node, and set MANTA_SECRET_FILE to it");
  }
  auto secret = net::read_secret(file);
  if (!secret) throw_error(secret.error());
  config.secret = *secret;
}

// When the node ends workers because memory runs short.
void configure_memory(node::NodeConfig& config) {
  config.memory_threshold = settings::number_or_default("MANTA_MEMORY_THRESHOLD");
  config.memory_limit_bytes = static_cast<std::uint64_t>(settings::number("MANTA_MEMORY_LIMIT").value_or(0));
}

double usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int by_affinity = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return node::default_cpus(by_affinity, node::Container().cpu_quota());
}

// Of the machine, or of the container where that is given less.
std::uint64_t machine_memory_bytes() {
  struct sysinfo info = {};
  std::uint64_t bytes = ::sysinfo(&info) == 0 ? std::uint64_t{info.totalram} * info.mem_unit : std::uint64_t{4} << 30;
  return std::min(bytes, node::Container().memory_limit().value_or(bytes));
}

std::int64_t units_of(double value, std::string_view what) {
  auto amount = sched::Amount::from_double(value, what);
  if (!amount) throw_error(amount.error());
  return amount->units();
}

bool single_threaded() {
  DIR* dir = ::opendir("/proc/self/task");
  if (dir == nullptr) return true;
  int threads = 0;
  while (const dirent* entry = ::readdir(dir)) threads += entry->d_name[0] != '.';
  ::closedir(dir);
  return threads == 1;
}

// -1 in an option stands for what is found: nothing else below 0 does, nor NaN.
void check_given(std::string_view field, double value) {
  if (value != -1) detail::check_option(field, value, 0);
}

// The resources that the user names, as the node offers them.
std::vector<std::pair<std::string, std::int64_t>> named_resources(const InitOptions& options) {
  auto offered = sched::offer_of(options);
  if (!offered) throw_error(offered.error());
  std::vector<std::pair<std::string, std::int64_t>> named;
  for (const sched::NamedAmount& each : *offered) named.emplace_back(each.name, each.amount.units());
  return named;
}

void check(const InitOptions& options) {
  check_given("InitOptions::num_cpus", options.num_cpus);
  check_given("InitOptions::num_gpus", options.num_gpus);
  check_given("InitOptions::memory_bytes", static_cast<double>(options.memory_bytes));
  check_given("InitOptions::store_capacity_bytes", static_cast<double>(options.store_capacity_bytes));
  check_given("InitOptions::spin", static_cast<double>(options.spin.count()));
}

// A folder in which a file can be made. One that the user names must be usable; "none": a full store refuses.
std::string spill_directory_of(const InitOptions& options) {
  std::string named(options.spill_directory);
  if (named.empty()) named = settings::text("MANTA_SPILL_DIR");
  if (named == "none") return named;
  if (!named.empty()) {
    auto file = store::SpillFile::open(named);
    if (!file) throw Error(ErrorCode::invalid_argument, file.error().message());
    return named;
  }
  const char* temporary = settings::foreign("TMPDIR");
  for (const std::string directory : {temporary != nullptr ? temporary : "", "/var/tmp", "/tmp"}) {
    if (!directory.empty() && store::SpillFile::open(directory)) return directory;
  }
  log::warn(
      "no file can be made in TMPDIR, /var/tmp or /tmp: a full object store refuses objects; name a folder by "
      "InitOptions::spill_directory or MANTA_SPILL_DIR");
  return "none";
}

// The node makes files of the store's size.
void check_file_size_limit(std::uint64_t store_capacity_bytes) {
  rlimit limit = {};
  const std::uint64_t needed = store_capacity_bytes + store_capacity_bytes / 2 + (64 << 20);
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed) return;
  throw Error(ErrorCode::invalid_argument,
              "ulimit -f allows files of " + sched::bytes_to_string(limit.rlim_cur) + ", but an object store of " +
                  sched::bytes_to_string(store_capacity_bytes) + " needs " + sched::bytes_to_string(needed) +
                  "; raise it, or lower InitOptions::store_capacity_bytes");
}

// Where settings are wrong or misspelt, says so first.
void check_settings(const CommandLine& flags, const InitOptions& options) {
  settings::read_log_level();
  flags.check();
  settings::check_environment();
  check(options);
  for (const std::string& sentence : settings::misspelt_variables()) log::warn(sentence);
}

node::NodeConfig config_of(const CommandLine& flags, const InitOptions& options) {
  check_settings(flags, options);
  node::NodeConfig config;
  const double cpus =
      options.num_cpus >= 0 ? options.num_cpus : settings::number("MANTA_NUM_CPUS", flags).value_or(usable_cpus());
  config.gpu_names = gpu::visible_devices();
  const double gpus =
      options.num_gpus >= 0
          ? options.num_gpus
          : settings::number("MANTA_NUM_GPUS", flags).value_or(static_cast<double>(config.gpu_names.size()));
  if (gpus != std::floor(gpus))
    throw Error(ErrorCode::invalid_argument, "InitOptions::num_gpus must be a whole number");
  config.total.cpus = units_of(cpus, "InitOptions::num_cpus");
  config.total.gpus = units_of(gpus, "InitOptions::num_gpus");
  config.total.memory_bytes =
      options.memory_bytes >= 0 ? static_cast<std::uint64_t>(options.memory_bytes) : machine_memory_bytes() / 10 * 7;
  config.total.named = named_resources(options);
  config.store_capacity_bytes = options.store_capacity_bytes >= 0
                                    ? static_cast<std::uint64_t>(options.store_capacity_bytes)
                                    : machine_memory_bytes() / 10 * 3;
  config.store_capacity_bytes = std::max<std::uint64_t>(config.store_capacity_bytes, 1 << 20) / 4096 * 4096;
  check_file_size_limit(config.store_capacity_bytes);
  config.spill_directory = spill_directory_of(options);
  const double spin_us = options.spin.count() >= 0 ? static_cast<double>(options.spin.count())
                                                   : settings::number_or_default("MANTA_SPIN_US");
  config.spin_ns = static_cast<std::int64_t>(spin_us * 1000);
  if (options.max_workers < 1 && options.max_workers != -1) {
    throw Error(ErrorCode::invalid_argument, "InitOptions::max_workers must be at least 1, or -1");
  }
  config.max_workers =
      options.max_workers > 0
          ? static_cast<std::uint32_t>(options.max_workers)
          : static_cast<std::uint32_t>(std::clamp<std::uint64_t>(machine_memory_bytes() / kBytesPerWorker, 64, 4096));
  config.warm_workers =
      std::min(config.max_workers, static_cast<std::uint32_t>(std::clamp(std::ceil(cpus), 1.0, 64.0)));
  config.exec_workers = settings::choice("MANTA_ZYGOTE") == "exec";
  config.log_to_driver = options.log_to_driver && settings::choice("MANTA_LOG_TO_DRIVER") != "0";
  configure_memory(config);
  configure_cluster(config, flags, options);
  return config;
}

// In a program that was executed to be a node process or a worker: does that, and does not return.
void take_role() {
  const std::string text = settings::text("MANTA_ROLE");
  settings::remove_variable(node::kRoleVariable);
  const std::size_t colon = text.find(':');
  const int number = colon == std::string::npos ? -1 : std::atoi(text.c_str() + colon + 1);
  if (number < 3) return;
  ::fcntl(number, F_SETFD, FD_CLOEXEC);
  Fd control(number);
  if (text.starts_with("worker:")) worker::worker_main(std::move(control));
  std::vector<int> keep = node::open_descriptors();
  std::erase(keep, number);
  node::run_node_process(std::move(control), ::getppid(), &worker::worker_main, std::move(keep));
}

[[noreturn]] void print_help_and_exit() {
  std::fputs(settings::help().c_str(), stdout);
  std::exit(0);
}

// A node that joins has no driver: this process waits for the node's end, which is its own.
[[noreturn]] void be_a_node(pid_t node) {
  int status = 0;
  while (::waitpid(node, &status, 0) < 0 && errno == EINTR) {
  }
  std::exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

pid_t fork_node(net::ControlSocket& ours, net::ControlSocket& theirs, std::vector<int> keep) {
  const pid_t driver = ::getpid();
  const pid_t child = ::fork();
  if (child < 0)
    throw Error(ErrorCode::exhausted, std::string("cannot fork the node process: ") + std::strerror(errno));
  if (child > 0) return child;
  Fd(ours.fd()).reset();
  node::enter_child_process(0, keep, theirs.fd(), "manta-node");
  node::run_node_process(theirs.take(), driver, &worker::worker_main, std::move(keep));
}

}  // namespace

namespace {

// Until the process ends, where leak checkers find it: other threads may look at it at any time.
void keep(std::unique_ptr<worker::LocalProgram> program) {
  static Mutex mutex;
  static auto& programs = *new std::vector<std::unique_ptr<worker::LocalProgram>>;
  const MutexLock guard(mutex);
  programs.push_back(std::move(program));
}

}  // namespace

// What a Runtime owns.
struct Started {
  // A driver, with a node process; or all in one (MANTA_LOCAL).
  std::unique_ptr<client::Driver> driver;
  std::unique_ptr<node::LocalNode> local_node;
  std::unique_ptr<worker::LocalProgram> local;
  std::unique_ptr<Client> client;
  pid_t node = 0;
  double num_cpus = 0;
  double num_gpus = 0;
};

struct Runtime::Impl : Started {
  ~Impl() {
    if (client::Forked::here()) {  // all of it is the parent's
      (void)client.release();
      (void)driver.release();
      (void)local_node.release();
      (void)local.release();
      return;
    }
    if (client) {
      detail::end_callbacks();
      if (driver) driver->shut_down();
      if (local && !local->shut_down()) (void)client.release();
      if (local) keep(std::move(local));
      if (client) client::Retired::add(std::move(client));
    }
    if (node > 0) ::waitpid(node, nullptr, 0);
    observe::Timeline::finish();
  }
};

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;
double Runtime::num_cpus() const { return impl_ ? impl_->num_cpus : 0; }
double Runtime::num_gpus() const { return impl_ ? impl_->num_gpus : 0; }
void Runtime::shutdown() { impl_.reset(); }

namespace {

std::vector<NodeInfo> nodes_of(Client& client) {
  std::vector<NodeInfo> nodes;
  for (const net::NodeOfCluster& node : client.nodes()) {
    nodes.push_back({node.node, node.host, static_cast<double>(node.total.cpus) / 10'000,
                     static_cast<double>(node.total.gpus) / 10'000});
  }
  return nodes;
}

}  // namespace

std::vector<NodeInfo> Runtime::nodes() const {
  client::Forked::check();
  return impl_ ? nodes_of(*impl_->client) : std::vector<NodeInfo>();
}
std::vector<NodeInfo> cluster_nodes() { return nodes_of(Client::require()); }

std::string Runtime::address() const { return impl_ ? impl_->client->welcome().address : std::string(); }

namespace {

// What init throws. Where the program does not catch it, its message is all that the program says.
class CannotStart : public Error {
 public:
  explicit CannotStart(const Error& error) : Error(error) {}
};

std::terminate_handler terminate_otherwise = nullptr;

[[noreturn]] void end_without_a_catch() {
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const CannotStart& error) {
      std::fflush(stdout);
      std::fprintf(stderr, "manta::init: %s\n", error.what());
      ::_exit(2);
    } catch (...) {
    }
  }
  terminate_otherwise();
  std::abort();
}

// Everything in this process.
void start_locally(node::NodeConfig config, Started& made) {
  auto pair = net::ControlSocket::pair();
  if (!pair) throw_error(pair.error());
  made.local_node = std::make_unique<node::LocalNode>(std::move(config), std::move(pair->second));
  made.local = std::make_unique<worker::LocalProgram>();
  made.client = Client::connect(std::move(pair->first), *made.local);
}

void start(int argc, char** argv, const InitOptions& options, Started& made) {
  client::Forked::check();
  if (Client::current() != nullptr) {
    throw Error(ErrorCode::invalid_argument, "manta::init was called, but a Runtime is alive in this process already");
  }
  const CommandLine flags(argc, argv);
  if (flags.asks_for_help()) print_help_and_exit();
  node::NodeConfig config = config_of(flags, options);
  if (config.join.empty()) observe::Timeline::create_file();
  made.num_cpus = static_cast<double>(config.total.cpus) / 10'000;
  made.num_gpus = static_cast<double>(config.total.gpus) / 10'000;
  if (runs_locally()) return start_locally(std::move(config), made);
  std::vector<int> keep = node::open_descriptors();
  auto pair = net::ControlSocket::pair();
  if (!pair) throw_error(pair.error());
  if (single_threaded()) {
    made.node = fork_node(pair->first, pair->second, std::move(keep));
  } else {
    config.exec_workers = true;
    auto started = node::execute_again("node", pair->second.fd(), keep, nullptr, {});
    if (!started) throw_error(started.error());
    made.node = *started;
  }
  pair->second = net::ControlSocket();
  auto sent = pair->first.send(net::pack(config));
  if (!sent) throw Error(ErrorCode::unavailable, "the node process ended at once; look above for its message");
  if (!config.join.empty()) be_a_node(std::exchange(made.node, 0));
  made.driver = std::make_unique<client::Driver>();
  made.client = Client::connect(std::move(pair->first), *made.driver);
}

}  // namespace

MANTA_LAYOUT_BEGIN
Runtime init(int argc, char** argv, const InitOptions& options) {
  take_role();
  const auto cannot_start = [](const Error& error) {
    if (std::get_terminate() != &end_without_a_catch) terminate_otherwise = std::set_terminate(&end_without_a_catch);
    return CannotStart(error);
  };
  try {
    auto impl = std::make_unique<Runtime::Impl>();
    start(argc, argv, options, *impl);
    return Runtime(std::move(impl));
  } catch (const Error& error) {
    throw cannot_start(error);
  } catch (const std::system_error& error) {  // no thread, no memory
    throw cannot_start(Error(ErrorCode::exhausted, std::string("cannot start: ") + error.what()));
  }
}
MANTA_LAYOUT_END

}  // namespace manta
