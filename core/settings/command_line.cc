#include "core/settings/command_line.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <manta/error.h>

#include "core/settings/distance.h"
#include "core/settings/table.h"

namespace manta::settings {
namespace {

constexpr std::string_view kPrefix = "--manta-";
constexpr std::string_view kHelp = "help";

struct Flag {
  std::string_view name;
  std::string_view value;  // what stands for it in messages; empty: it has none
};

std::vector<Flag> all_flags() {
  std::vector<Flag> flags;
  for (const Setting& setting : kTable) {
    if (!setting.flag.empty()) flags.push_back({setting.flag, setting.value});
  }
  flags.push_back({kHelp, {}});
  return flags;
}

std::string shown(const Flag& flag) {
  const std::string name = std::string(kPrefix).append(flag.name);
  return flag.value.empty() ? name : name + "=" + std::string(flag.value);
}

[[noreturn]] void refuse(std::string_view argument, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, "the command line has " + std::string(argument) + ": " + why);
}

[[noreturn]] void refuse_unknown(std::string_view argument, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const std::vector<Flag> flags = all_flags();
  const auto nearest = std::min_element(flags.begin(), flags.end(), [&](const Flag& a, const Flag& b) {
    return distance(name, a.name) < distance(name, b.name);
  });
  std::string all;
  for (const Flag& flag : flags) all += (all.empty() ? "" : ", ") + shown(flag);
  refuse(argument, "Manta has no such flag; did you mean " + shown(*nearest) + "? Its flags are " + all +
                       ", which explains them. Arguments of the program's own go behind \"--\"");
}

template <class Visit>
void each_argument(int argc, char** argv, Visit visit) {
  for (int i = 1; i < argc && argv != nullptr && argv[i] != nullptr && std::strcmp(argv[i], "--") != 0; ++i) {
    visit(std::string_view(argv[i]));
  }
}

}  // namespace

const char* CommandLine::value(std::string_view flag) const {
  const std::string prefix = std::string(kPrefix).append(flag) + "=";
  const char* value = nullptr;
  each_argument(argc_, argv_, [&](std::string_view argument) {
    if (value == nullptr && argument.starts_with(prefix)) value = argument.data() + prefix.size();
  });
  return value;
}

bool CommandLine::asks_for_help() const {
  bool asked = false;
  each_argument(argc_, argv_,
                [&](std::string_view argument) { asked = asked || argument == std::string(kPrefix).append(kHelp); });
  return asked;
}

void CommandLine::check() const {
  const std::vector<Flag> flags = all_flags();
  std::map<std::string_view, std::string_view> given;
  each_argument(argc_, argv_, [&](std::string_view argument) {
    if (!argument.starts_with(kPrefix)) return;
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals).substr(kPrefix.size());
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const Flag& each) { return each.name == name; });
    if (flag == flags.end()) refuse_unknown(argument, std::string(name));
    if (flag->value.empty()) {
      if (equals != std::string_view::npos) refuse(argument, "the flag takes no value; write " + shown(*flag));
      return;
    }
    if (equals == std::string_view::npos || equals + 1 == argument.size()) {
      refuse(argument, "the flag has no value; write " + shown(*flag));
    }
    const std::string_view value = argument.substr(equals + 1);
    const auto [at, is_first] = given.emplace(name, value);
    if (!is_first && at->second != value)
      refuse(argument, "the flag is given twice, with different values; give it once");
  });
}

}  // namespace manta::settings
