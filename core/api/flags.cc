#include "core/api/flags.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <manta/error.h>

namespace manta {
namespace {

constexpr std::string_view kPrefix = "--manta-";
struct Flag {
  std::string_view name;
  std::string_view value;  // what stands for it in messages
};
constexpr std::array kFlags{Flag{"num-cpus", "N"}, Flag{"num-gpus", "N"}, Flag{"listen", "HOST:PORT"},
                            Flag{"join", "HOST:PORT"}};

std::string shown(const Flag& flag) { return std::string(kPrefix).append(flag.name).append("=").append(flag.value); }

// Insertions, deletions and changes of one character that make one text the other (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

[[noreturn]] void refuse(std::string_view argument, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, "the command line has " + std::string(argument) + ": " + why);
}

[[noreturn]] void refuse_unknown(std::string_view argument, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  const auto nearest = std::min_element(kFlags.begin(), kFlags.end(), [&](const Flag& a, const Flag& b) {
    return distance(name, a.name) < distance(name, b.name);
  });
  std::string all;
  for (const Flag& flag : kFlags) all += (all.empty() ? "" : ", ") + shown(flag);
  refuse(argument, "Manta has no such flag; did you mean " + shown(*nearest) + "? Its flags are " + all +
                       ". Arguments of the program's own go behind \"--\"");
}

template <class Visit>
void each_argument(int argc, char** argv, Visit visit) {
  for (int i = 1; i < argc && argv != nullptr && argv[i] != nullptr && std::strcmp(argv[i], "--") != 0; ++i) {
    visit(std::string_view(argv[i]));
  }
}

}  // namespace

const char* flag_value(int argc, char** argv, const char* name) {
  const std::string prefix = std::string(kPrefix) + name + "=";
  const char* value = nullptr;
  each_argument(argc, argv, [&](std::string_view argument) {
    if (value == nullptr && argument.starts_with(prefix)) value = argument.data() + prefix.size();
  });
  return value;
}

void check_flags(int argc, char** argv) {
  std::map<std::string_view, std::string_view> given;
  each_argument(argc, argv, [&](std::string_view argument) {
    if (!argument.starts_with(kPrefix)) return;
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals).substr(kPrefix.size());
    const auto flag = std::find_if(kFlags.begin(), kFlags.end(), [&](const Flag& each) { return each.name == name; });
    if (flag == kFlags.end()) refuse_unknown(argument, std::string(name));
    if (equals == std::string_view::npos || equals + 1 == argument.size()) {
      refuse(argument, "the flag has no value; write " + shown(*flag));
    }
    const std::string_view value = argument.substr(equals + 1);
    const auto [at, is_first] = given.emplace(name, value);
    if (!is_first && at->second != value)
      refuse(argument, "the flag is given twice, with different values; give it once");
  });
}

}  // namespace manta
