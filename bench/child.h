// A program run as a child, spoken to through its standard input and output.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace manta::bench {

// Threading: one thread. Ownership: owns the process; the destructor kills it if it was not waited for.
class Child {
 public:
  enum class Output { inherited, read };

  // arguments[0]: the program's path. Throws std::system_error.
  explicit Child(const std::vector<std::string>& arguments, Output output = Output::read);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // All that it writes until it closes its output, or up to and with the first newline. Only with Output::read.
  std::string read_all();
  std::string read_line();
  void close_input();
  // Closes its input and waits for its end. Empty: it exited with 0; else how it ended.
  std::string wait();

 private:
  pid_t pid_ = 0;
  int input_ = -1;   // we write
  int output_ = -1;  // we read
};

// The folder of this program's file, and the file itself.
std::string program_folder();
std::string program_path();
// Where cmake/deps.sh puts data: MANTA_DEPS_DIR, else .deps beside the build.
std::string deps_folder();

}  // namespace manta::bench
