#include "core/settings/environment.h"

#include <unistd.h>

#include <cstdlib>

namespace manta::settings {

const char* variable(const char* name) { return std::getenv(name); }
void set_variable(const std::string& name, const std::string& value) { ::setenv(name.c_str(), value.c_str(), 1); }
void remove_variable(const char* name) { ::unsetenv(name); }
char** variables() { return environ; }

}  // namespace manta::settings
