// Accessors of the settings, one for each type. A setting is named by its variable; a name that the table does not
// have, or has with another type, does not compile:
//
//   const double cpus = settings::number("MANTA_NUM_CPUS", flags).value_or(usable_cpus());
//
// An empty value counts as none. Each accessor reads the environment anew.
//
// Errors: throws Error(invalid_argument) for a value that does not parse or is out of range: the message names the flag
// or the variable, the value, and what is allowed. Threading: see environment.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/settings/command_line.h"
#include "core/settings/table.h"

namespace manta::settings {

template <Type type>
class Key {
 public:
  template <std::size_t size>
  consteval Key(const char (&variable)[size]) : place_(place_of({variable, size - 1}, type)) {}
  const Setting& operator*() const { return kTable[place_]; }

 private:
  std::size_t place_;
};

std::optional<double> number(Key<Type::number> key, const CommandLine& flags = {});
// The same for a setting whose default in the table is a number: that, where none is given.
double number_or_default(Key<Type::number> key);
// One of Setting::choices; empty: not given.
std::string_view choice(Key<Type::choice> key);
// Empty: not given.
std::string text(Key<Type::text> key, const CommandLine& flags = {});
// A variable of other programs, as it is. Null: not set. Valid until a variable changes.
const char* foreign(Key<Type::foreign> key);

// Of a row that is of type `whole`.
std::optional<std::int64_t> whole_value(const Setting& setting);
// Of a row that is of type `text`.
std::string text_value(const Setting& setting, const CommandLine& flags = {});

// Reads all variables that neither a flag nor a field of an options struct can stand in for, for their errors.
void check_environment();
// A sentence for each variable that the table lacks, but whose name is close to one that it has.
std::vector<std::string> misspelt_variables();

}  // namespace manta::settings
