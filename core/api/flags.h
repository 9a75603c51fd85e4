// Manta's own flags on a program's command line: --manta-NAME=VALUE. A program has flags of its own, which are left
// alone; all that starts with --manta- is Manta's.
//
// Threading: none of its own.
#pragma once

namespace manta {

// The value of --manta-NAME=VALUE; null: not given. Flags behind "--" are arguments of the program.
const char* flag_value(int argc, char** argv, const char* name);

// Throws Error(invalid_argument) for a flag that Manta does not have (the nearest one is named), one without a value,
// and one that is given twice with different values.
void check_flags(int argc, char** argv);

}  // namespace manta
