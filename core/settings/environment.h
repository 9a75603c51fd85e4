// The environment of this process. No other file of Manta's libraries reads or changes it (LAYER-6); settings are read
// by the accessors of read.h.
//
// Threading: as getenv and setenv: no thread may change a variable while another reads one.
#pragma once

#include <string>

namespace manta::settings {

// Null: not set.
const char* variable(const char* name);
void set_variable(const std::string& name, const std::string& value);
void remove_variable(const char* name);
// All of them, "NAME=VALUE" each, then null: for the environment of a new process.
char** variables();

}  // namespace manta::settings
