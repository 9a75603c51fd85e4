// Manta's own flags on a program's command line: --manta-FLAG=VALUE for the settings that have one (table.h), and
// --manta-help. A program has flags of its own, which are left alone; all that starts with --manta- is Manta's. Flags
// behind "--" are arguments of the program.
//
// Threading: none of its own. Ownership: the arguments must outlive it.
#pragma once

#include <string_view>

namespace manta::settings {

class CommandLine {
 public:
  CommandLine() = default;
  CommandLine(int argc, char** argv) : argc_(argc), argv_(argv) {}

  // The value of --manta-FLAG=VALUE; null: not given.
  const char* value(std::string_view flag) const;
  // Whether --manta-help is given.
  bool asks_for_help() const;
  // Throws Error(invalid_argument) for a flag that Manta does not have (the nearest one is named), one without a value,
  // and one that is given twice with different values.
  void check() const;

 private:
  int argc_ = 0;
  char** argv_ = nullptr;
};

}  // namespace manta::settings
