#include "core/settings/read.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include <manta/error.h>

#include "core/settings/distance.h"
#include "core/settings/environment.h"

namespace manta::settings {
namespace {

constexpr std::string_view kPrefix = "MANTA_";

struct Given {
  std::string source;  // the flag or the variable
  std::string value;   // empty: neither is given
};

Given given(const Setting& setting, const CommandLine& flags) {
  if (!setting.flag.empty()) {
    if (const char* value = flags.value(setting.flag)) return {"--manta-" + std::string(setting.flag), value};
  }
  const char* value = variable(setting.variable.data());
  return {std::string(setting.variable), value != nullptr ? value : ""};
}

[[noreturn]] void refuse(const Given& given, const Setting& setting) {
  throw Error(ErrorCode::invalid_argument,
              given.source + " is \"" + given.value + "\", but must be " + std::string(setting.allowed));
}

std::optional<double> number_value(const Setting& setting, const CommandLine& flags) {
  const Given found = given(setting, flags);
  if (found.value.empty()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(found.value.c_str(), &end);
  if (*end != '\0' || !std::isfinite(value) || value < setting.least || value > setting.most) refuse(found, setting);
  return value;
}

std::string_view choice_value(const Setting& setting) {
  const Given found = given(setting, {});
  if (found.value.empty()) return {};
  for (const std::string_view choice : setting.choices) {
    if (choice == found.value) return choice;
  }
  refuse(found, setting);
}

// The table's nearest setting, where so much of the name agrees that a slip of the keyboard explains the rest.
const Setting* close_to(std::string_view name) {
  name.remove_prefix(kPrefix.size());
  const Setting* nearest = nullptr;
  std::size_t least = name.size() / 3 + 1;
  for (const Setting& setting : kTable) {
    if (!setting.variable.starts_with(kPrefix)) continue;
    const std::size_t changes = distance(name, setting.variable.substr(kPrefix.size()));
    if (changes >= least) continue;
    least = changes;
    nearest = &setting;
  }
  return nearest;
}

}  // namespace

std::optional<double> number(Key<Type::number> key, const CommandLine& flags) { return number_value(*key, flags); }
double number_or_default(Key<Type::number> key) {
  return number(key).value_or(std::strtod((*key).unless_given.data(), nullptr));
}
std::string_view choice(Key<Type::choice> key) { return choice_value(*key); }
std::string text(Key<Type::text> key, const CommandLine& flags) { return text_value(*key, flags); }
const char* foreign(Key<Type::foreign> key) { return variable((*key).variable.data()); }

std::optional<std::int64_t> whole_value(const Setting& setting) {
  const Given found = given(setting, {});
  if (found.value.empty()) return std::nullopt;
  std::int64_t value = 0;
  const char* end = found.value.data() + found.value.size();
  const auto [parsed, error] = std::from_chars(found.value.data(), end, value);
  const auto size = static_cast<double>(value);
  if (error != std::errc() || parsed != end || size < setting.least || size > setting.most) refuse(found, setting);
  return value;
}

std::string text_value(const Setting& setting, const CommandLine& flags) { return given(setting, flags).value; }

void check_environment() {
  for (const Setting& setting : kTable) {
    if (!setting.flag.empty() || !setting.option.empty()) continue;
    if (setting.type == Type::number) (void)number_value(setting, {});
    if (setting.type == Type::whole) (void)whole_value(setting);
    if (setting.type == Type::choice) (void)choice_value(setting);
  }
}

std::vector<std::string> misspelt_variables() {
  std::vector<std::string> sentences;
  for (char** each = variables(); each != nullptr && *each != nullptr; ++each) {
    const std::string_view name = std::string_view(*each).substr(0, std::string_view(*each).find('='));
    if (!name.starts_with(kPrefix) || find(name) != nullptr) continue;
    if (const Setting* meant = close_to(name)) {
      sentences.push_back("the environment has " + std::string(name) + ", which is not a setting; did you mean " +
                          std::string(meant->variable) + "? --manta-help lists all settings");
    }
  }
  return sentences;
}

}  // namespace manta::settings
