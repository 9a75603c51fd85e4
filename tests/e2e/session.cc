#include "tests/e2e/session.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <sstream>

#include "tests/support/exec_self.h"

namespace manta::e2e {

namespace {

constexpr const char* kVariable = "MANTA_TEST_SESSION=";

// As far as it can be read: the process may end meanwhile, of which a std::ifstream would make an exception.
std::string content_of(const std::string& path) {
  std::string content;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char chunk[16384];
  for (ssize_t n; fd >= 0 && (n = ::read(fd, chunk, sizeof chunk)) > 0;)
    content.append(chunk, static_cast<std::size_t>(n));
  if (fd >= 0) ::close(fd);
  return content;
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  if (DIR* dir = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      if (entry->d_name[0] != '.') names.insert(entry->d_name);
    }
    ::closedir(dir);
  }
  return names;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  for (const std::string& name : names_in("/proc")) {
    if (name.find_first_not_of("0123456789") == std::string::npos) pids.push_back(std::atoi(name.c_str()));
  }
  return pids;
}

std::string link_of(const std::string& path) {
  char target[4096];
  const ssize_t n = ::readlink(path.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<std::size_t>(n)) : std::string();
}

// Memory of the runtime; not that of the test.
bool is_memory(const std::string& name) {
  return name.find("memfd:manta-") != std::string::npos && name.find("memfd:manta-test-") == std::string::npos;
}

std::string without_deleted(std::string name) {
  const std::size_t at = name.find(" (deleted)");
  return at == std::string::npos ? name : name.substr(0, at);
}

}  // namespace

struct Session::Seen {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t started = 0;
  std::string name;
  bool marked = false;                                            // has the variable or the pipe
  std::map<std::pair<std::string, ino_t>, std::string> memories;  // and whether by descriptor or mapping
  std::set<std::string> sockets;
};

Session::Session(const std::vector<std::string>& arguments) : shm_before_(names_in("/dev/shm")) {
  marker_ = kVariable + std::to_string(std::random_device()()) + "-" + std::to_string(::getpid());
  folder_ = (std::filesystem::temp_directory_path() / "manta-session-XXXXXX").string();
  if (::mkdtemp(folder_.data()) == nullptr) std::abort();
  int marker[2], report[2];
  if (::pipe(marker) != 0 || ::pipe2(report, O_CLOEXEC) != 0) std::abort();
  pipe_ = marker[0];
  struct stat status {};
  ::fstat(pipe_, &status);
  pipe_inode_ = status.st_ino;
  const ExecSelf program(arguments, {marker_, "TMPDIR=" + folder_});
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(marker[0]);
    const pid_t between = ::getpid();
    if (::fork() != 0) ::_exit(0);
    while (::getppid() == between) ::usleep(100);  // until adopted
    ::setsid();
    const pid_t self = ::getpid();
    (void)!::write(report[1], &self, sizeof self);
    program.run();
  }
  ::close(marker[1]);
  ::close(report[1]);
  ::waitpid(child, nullptr, 0);
  if (::read(report[0], &driver_, sizeof driver_) != sizeof driver_) std::abort();
  ::close(report[0]);
  driver_pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, driver_, 0));
}

Session::~Session() {
  ::kill(driver_, SIGKILL);
  look();
  for (const auto& [pid, process] : processes_) {
    if (see(pid).started == process.started) ::kill(pid, SIGKILL);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  ::close(pipe_);
  if (driver_pidfd_ >= 0) ::close(driver_pidfd_);
}

Session::Seen Session::see(pid_t pid) const {
  Seen seen;
  seen.pid = pid;
  const std::string dir = "/proc/" + std::to_string(pid);
  const std::string stat = content_of(dir + "/stat");
  const std::size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return seen;
  seen.name = stat.substr(open + 1, close - open - 1);
  std::istringstream fields(stat.substr(close + 2));
  fields >> seen.state >> seen.parent;
  std::string field;
  for (int i = 5; i < 22; ++i) fields >> field;
  fields >> seen.started;
  const std::string environment = '\0' + content_of(dir + "/environ");
  seen.marked = environment.find('\0' + marker_ + '\0') != std::string::npos;
  for (const std::string& fd : names_in(dir + "/fd")) {
    const std::string path = dir + "/fd/" + fd;
    const std::string target = link_of(path);
    if (target == "pipe:[" + std::to_string(pipe_inode_) + "]") seen.marked = true;
    if (target.starts_with("socket:")) seen.sockets.insert(target);
    struct stat status {};
    if (is_memory(target) && ::stat(path.c_str(), &status) == 0) {
      seen.memories[{without_deleted(target), status.st_ino}] = "descriptor " + fd;
    }
  }
  std::istringstream maps(content_of(dir + "/maps"));
  for (std::string line; std::getline(maps, line);) {
    if (!is_memory(line)) continue;
    std::istringstream words(line);
    std::string range, access, offset, device, path;
    ino_t inode = 0;
    words >> range >> access >> offset >> device >> inode >> path;
    seen.memories[{path, inode}] = "mapping " + range;
  }
  if (pid == ::getpid()) seen.marked = false;  // has the pipe's other end
  return seen;
}

// Why the process counts as one of the session; "": it does not.
std::string Session::belongs(const Seen& process) const {
  if (process.pid == driver_) return "the driver";
  const auto it = processes_.find(process.pid);
  if (it != processes_.end() && it->second.started == process.started) return "was seen in the session";
  if (process.marked) return "has inherited from the session";
  const auto parent = processes_.find(process.parent);
  if (parent != processes_.end()) return "child of " + parent->second.name;
  return {};
}

void Session::look() {
  std::map<pid_t, Seen> all;
  for (const pid_t pid : all_processes()) all.emplace(pid, see(pid));
  std::map<pid_t, Process> alive;
  for (bool more = true; more;) {  // children of children
    more = false;
    for (const auto& [pid, seen] : all) {
      if (alive.contains(pid) || seen.state == '?' || seen.state == 'Z' || belongs(seen).empty()) continue;
      alive[pid] = processes_[pid] = {seen.started, seen.name};
      for (const auto& [memory, how] : seen.memories) memories_[memory] = pid;
      for (const std::string& socket : seen.sockets) sockets_[socket] = pid;
      more = true;
    }
  }
  processes_ = alive;
}

std::vector<pid_t> Session::named(const std::string& name) const {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : processes_) {
    if (process.name == name) pids.push_back(pid);
  }
  return pids;
}

bool Session::driver_ends(std::chrono::milliseconds limit) const {
  pollfd wanted{driver_pidfd_, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(limit.count())) == 1;
}

std::vector<std::string> Session::left_now() const {
  std::vector<std::string> left;
  for (const pid_t pid : all_processes()) {
    const Seen seen = see(pid);
    // A zombie has nothing any more. It is its parent's, which is init or part of what is looked for here.
    if (seen.state == '?' || seen.state == 'Z' || pid == ::getpid()) continue;
    const std::string who = "process " + std::to_string(pid) + " " + seen.name + " (state " + seen.state + ", parent " +
                            std::to_string(seen.parent) + ")";
    if (const std::string why = belongs(seen); !why.empty()) left.push_back(who + " is left: " + why);
    for (const auto& [memory, how] : seen.memories) {
      if (memories_.contains(memory)) left.push_back(who + " has the session's " + memory.first + " as " + how);
    }
    for (const std::string& socket : seen.sockets) {
      if (sockets_.contains(socket)) left.push_back(who + " has the session's " + socket);
    }
  }
  std::istringstream sockets(content_of("/proc/net/unix"));
  for (std::string line; std::getline(sockets, line);) {
    std::istringstream words(line);
    std::string address, count, protocol, flags, type, state, inode;
    words >> address >> count >> protocol >> flags >> type >> state >> inode;
    if (sockets_.contains("socket:[" + inode + "]")) left.push_back("Unix socket " + inode + " is left: " + line);
  }
  for (const std::string& name : names_in(folder_)) left.push_back("file " + folder_ + "/" + name + " is left");
  for (const std::string& name : names_in("/dev/shm")) {
    if (!shm_before_.contains(name) && name.find("manta") != std::string::npos) {
      left.push_back("file /dev/shm/" + name + " is left");
    }
  }
  return left;
}

std::vector<std::string> Session::left(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  pollfd wanted{pipe_, 0, 0};  // POLLHUP: no process has the write end
  (void)::poll(&wanted, 1, static_cast<int>(limit.count()));
  // The kernel closes a process' descriptors one after the other, so a moment may pass from here.
  for (;;) {
    std::vector<std::string> left = left_now();
    if (left.empty() || std::chrono::steady_clock::now() >= deadline) return left;
    ::usleep(5'000);
  }
}

}  // namespace manta::e2e
