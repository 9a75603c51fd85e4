// This program once more, in a child: what execve needs is made before the fork, as the child of a program with threads
// must not allocate (a thread may have held the allocator's lock at the fork; AddressSanitizer's stays locked).
#pragma once

#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

class ExecSelf {
 public:
  // environment: "NAME=value", in addition to this process' or instead of what has that name.
  explicit ExecSelf(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {})
      : arguments_{"/proc/self/exe"} {
    arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
      const std::size_t name = std::strcspn(*variable, "=") + 1;
      bool replaced = false;
      for (const std::string& given : environment) replaced |= given.compare(0, name, *variable, name) == 0;
      if (!replaced) environment_.emplace_back(*variable);
    }
    environment_.insert(environment_.end(), environment.begin(), environment.end());
    for (std::string& argument : arguments_) argv_.push_back(argument.data());
    for (std::string& variable : environment_) envp_.push_back(variable.data());
    argv_.push_back(nullptr);
    envp_.push_back(nullptr);
  }
  ExecSelf(const ExecSelf&) = delete;
  ExecSelf& operator=(const ExecSelf&) = delete;

  // In the child.
  [[noreturn]] void run() const {
    ::execve(argv_[0], argv_.data(), envp_.data());
    ::_exit(127);
  }

 private:
  std::vector<std::string> arguments_, environment_;
  std::vector<char*> argv_, envp_;
};
