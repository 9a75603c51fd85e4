#include "core/node/crash_stacks.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include <boost/asio/buffer.hpp>

#include "core/settings/environment.h"

namespace manta::node {

namespace {

constexpr std::size_t kMost = 20;          // lines
constexpr std::size_t kLongestName = 200;  // characters of a function's name
constexpr std::size_t kMostPrinted = 1 << 20;
constexpr std::size_t kMostKnown = 4096;
constexpr std::size_t kMostWaiting = 8;  // requests; others get what is known without a look

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The file of this program, which is the workers' too; also after it was replaced.
std::string own_program() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string name(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  if (!name.empty() && ::access(name.c_str(), R_OK) == 0) return name;
  return "/proc/" + std::to_string(::getpid()) + "/exe";
}

// By what the dynamic loader knows here of the same module.
std::string dynamic_symbol(const net::CrashStack::Frame& frame) {
  struct Search {
    const std::string& module;
    std::uint64_t base = 0;
    bool found = false;
  } search{frame.module};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* argument) {
        auto& s = *static_cast<Search*>(argument);
        s.found = s.module == info->dlpi_name;
        s.base = info->dlpi_addr;
        return s.found ? 1 : 0;
      },
      &search);
  Dl_info symbol = {};
  if (!search.found || ::dladdr(reinterpret_cast<void*>(search.base + frame.offset), &symbol) == 0) return {};
  if (symbol.dli_sname == nullptr) return {};
  int status = 0;
  char* name = abi::__cxa_demangle(symbol.dli_sname, nullptr, nullptr, &status);
  const std::string text = status == 0 ? name : symbol.dli_sname;
  std::free(name);
  return text;
}

bool calls_the_task(std::string_view function) {
  for (const std::string_view manta :
       {"manta::detail::Thunk<", "manta::detail::FunctionCallee<", "manta::detail::encode_result<",
        "manta::detail::take_parameter<", "manta::client::TaskRunner::", "manta::worker::Executor::",
        "std::thread::_State_impl<", "manta::detail::pass_parameter<"}) {
    if (function.find(manta) != std::string_view::npos) return true;
  }
  return false;
}

bool makes_an_abort(const CodePlace& place) {
  for (const std::string_view function :
       {"__pthread_kill", "pthread_kill", "raise", "gsignal", "abort", "__assert_fail", "__libc_message",
        "malloc_printerr", "__fortify_fail", "__chk_fail", "__stack_chk_fail", "std::terminate",
        "__gnu_cxx::__verbose_terminate_handler", "__cxxabiv1::__terminate", "__cxa_throw", "__cxa_rethrow",
        "std::__glibcxx_assert_fail"}) {
    if (place.function.starts_with(function)) return true;
  }
  return place.where.starts_with("libc.so") || place.where.starts_with("libstdc++.so");
}

}  // namespace

std::vector<std::vector<CodePlace>> read_places(const std::string& printed) {
  std::vector<std::vector<CodePlace>> all;
  std::istringstream text(printed);
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("0x")) {
      all.emplace_back();
      continue;
    }
    std::string where;
    if (all.empty() || !std::getline(text, where)) break;
    if (line == "??") line.clear();
    if (const std::size_t note = where.find(" (discriminator"); note != std::string::npos) where.resize(note);
    where = base_name(where);
    if (where.starts_with("??") || where.ends_with(":?") || where.ends_with(":0")) where.clear();
    all.back().push_back({line, where});
  }
  return all;
}

std::string stack_text(const std::vector<CodePlace>& places, bool abort) {
  std::string text;
  std::size_t lines = 0;
  for (const CodePlace& place : places) {
    if (calls_the_task(place.function)) break;
    if (abort && lines == 0 && makes_an_abort(place)) continue;
    if (lines++ == kMost) break;
    text += "\n    at " + (place.function.empty() ? "??" : place.function.substr(0, kLongestName));
    if (place.function.size() > kLongestName) text += "...";
    if (!place.where.empty()) text += " (" + place.where + ")";
  }
  return text;
}

CrashStacks::CrashStacks(boost::asio::io_context& io) : io_(io), timer_(io) {}

CrashStacks::~CrashStacks() {
  for (const auto& lookup : lookups_) ::kill(lookup->child, SIGKILL);
}

void CrashStacks::resolve(net::CrashStack stack, bool abort, std::function<void(std::string)> done) {
  requests_.push_back({std::move(stack), abort, std::move(done)});
  next();
}

void CrashStacks::next() {
  if (working_ || requests_.empty()) return;
  working_ = true;
  std::map<std::string, std::vector<std::uint64_t>> unknown;
  for (const auto& frame : requests_.front().stack.frames) {
    if (frame.known && !known_.contains({frame.module, frame.offset})) unknown[frame.module].push_back(frame.offset);
  }
  if (known_.size() > kMostKnown) known_.clear();
  if (requests_.size() <= kMostWaiting) {
    for (const auto& [module, offsets] : unknown) look_up(module, offsets);
  }
  if (lookups_.empty()) return finish();
  timer_.expires_after(kLimit);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    for (const auto& lookup : lookups_) ::kill(lookup->child, SIGKILL);  // their pipes end with them
  });
}

void CrashStacks::look_up(const std::string& module, const std::vector<std::uint64_t>& offsets) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return;
  auto lookup = std::make_unique<Lookup>(io_);
  std::vector<std::string> words{"addr2line", "-a", "-f", "-C", "-i", "-e", module.empty() ? own_program() : module};
  for (const std::uint64_t offset : offsets) {
    std::array<char, 32> word{};
    std::snprintf(word.data(), word.size(), "0x%llx", static_cast<unsigned long long>(offset));
    words.emplace_back(word.data());
    lookup->addresses.emplace_back(module, offset);
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error =
      ::posix_spawnp(&lookup->child, "addr2line", &actions, &attributes, argv.data(), settings::variables());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    return;
  }
  children_.insert(lookup->child);
  lookup->output.assign(pipe[0]);
  lookups_.push_back(std::move(lookup));
  read(*lookups_.back());
}

void CrashStacks::read(Lookup& lookup) {
  lookup.output.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, &lookup](boost::system::error_code error) {
                             if (error) return;  // it is gone
                             std::array<char, 16 * 1024> buffer;
                             const ssize_t n = ::read(lookup.output.native_handle(), buffer.data(), buffer.size());
                             if (n > 0) lookup.printed.append(buffer.data(), static_cast<std::size_t>(n));
                             if (n > 0 && lookup.printed.size() < kMostPrinted) return read(lookup);
                             ended(lookup);
                           });
}

void CrashStacks::ended(Lookup& lookup) {
  const std::vector<std::vector<CodePlace>> places = read_places(lookup.printed);
  for (std::size_t i = 0; i < places.size() && i < lookup.addresses.size(); ++i)
    known_[lookup.addresses[i]] = places[i];
  std::erase_if(lookups_, [&](const auto& l) { return l.get() == &lookup; });
  if (lookups_.empty()) finish();
}

std::vector<CodePlace> CrashStacks::places_of(const net::CrashStack::Frame& frame) {
  const auto found = known_.find({frame.module, frame.offset});
  std::vector<CodePlace> places;
  if (found != known_.end()) places = found->second;
  if (places.empty()) places.emplace_back();
  CodePlace& innermost = places.front();
  if (innermost.function.empty() && frame.known) innermost.function = dynamic_symbol(frame);
  for (CodePlace& place : places) {
    if (!place.where.empty()) continue;
    std::array<char, 32> offset{};
    std::snprintf(offset.data(), offset.size(), "0x%llx", static_cast<unsigned long long>(frame.offset));
    if (!frame.known) {
      place.where = offset.data();
    } else {
      const std::string module = frame.module.empty() ? own_program() : frame.module;
      place.where = std::string(base_name(module)) + (place.function.empty() ? "+" + std::string(offset.data()) : "");
    }
  }
  return places;
}

void CrashStacks::finish() {
  timer_.cancel();
  Request request = std::move(requests_.front());
  requests_.pop_front();
  std::vector<CodePlace> places;
  for (const auto& frame : request.stack.frames) {
    for (CodePlace& place : places_of(frame)) places.push_back(std::move(place));
  }
  working_ = false;
  request.done(stack_text(places, request.abort));
  next();
}

}  // namespace manta::node
