// A Manta program that runs outside of our process tree, and everything in the system that belongs to it.
//
// Whatever the program starts is found by what it cannot but inherit: a variable of the environment, the write end of a
// pipe, or its parents. What it shares (memfds, sockets) is remembered by inode, and looked for in all processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace manta::e2e {

class Session {
 public:
  // Executes this program again with these arguments, as a child of init (or of the nearest subreaper).
  explicit Session(const std::vector<std::string>& arguments);
  // Kills what is left.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  pid_t driver() const { return driver_; }
  // Remembers the processes, memory and sockets of the session as they are now.
  void look();
  // Those alive of this name, by the last look(): manta-node, manta-zygote, manta-worker.
  std::vector<pid_t> named(const std::string& name) const;
  std::size_t processes() const { return processes_.size(); }
  std::size_t memories() const { return memories_.size(); }
  std::size_t sockets() const { return sockets_.size(); }

  // Waits for the driver's end; false: not within the limit.
  bool driver_ends(std::chrono::milliseconds limit) const;
  // What is left when all should have ended: one line for each process, descriptor, mapping, socket or file, and why it
  // counts. Waits for up to limit; empty: nothing is left. look() first, at a moment when there was something.
  std::vector<std::string> left(std::chrono::milliseconds limit);

 private:
  struct Process {
    std::uint64_t started = 0;  // in clock ticks after boot: tells apart processes of the same pid
    std::string name;
  };
  struct Seen;
  Seen see(pid_t pid) const;
  std::string belongs(const Seen& process) const;
  std::vector<std::string> left_now() const;

  std::string marker_;  // NAME=value in the environment
  int pipe_ = -1;       // its read end: ends when all write ends are gone
  ino_t pipe_inode_ = 0;
  pid_t driver_ = 0;
  int driver_pidfd_ = -1;
  std::string folder_;  // TMPDIR of the session
  std::set<std::string> shm_before_;
  std::map<pid_t, Process> processes_;
  std::map<std::pair<std::string, ino_t>, pid_t> memories_;  // (name, inode) of a memfd, and a process that had it
  std::map<std::string, pid_t> sockets_;                     // "socket:[N]"
};

}  // namespace manta::e2e
