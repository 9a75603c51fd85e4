#include "core/settings/help.h"

#include <algorithm>

namespace manta::settings {
namespace {

// Indented, without the page's marks for code.
std::string line(std::string_view label, std::string_view text) {
  std::string shown = "      " + std::string(label) + std::string(text) + "\n";
  std::erase(shown, '`');
  return shown;
}

std::string names_of(const Setting& setting) {
  const std::string value = "=" + std::string(setting.value);
  std::string names = setting.flag.empty() ? "" : "--manta-" + std::string(setting.flag) + value + ", ";
  names += std::string(setting.variable) + value;
  if (!setting.option.empty()) names += ", " + std::string(setting.option);
  return "  " + names + "\n";
}

}  // namespace

std::string_view title(Group group) {
  switch (group) {
    case Group::core:
      return "All programs";
    case Group::torch:
      return "Programs that use LibTorch";
    case Group::train:
      return "Programs that train";
    case Group::rl:
      return "Programs that use environments of reinforcement learning";
    case Group::internal:
      return "Set by Manta for its own processes";
    case Group::foreign:
      return "Variables of other programs that Manta reads";
  }
  return {};
}

std::string help() {
  std::string text =
      "Settings of Manta. A field of an options struct comes before a flag, a flag before a variable of the "
      "environment.\n";
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    const Setting& setting = kTable[i];
    if (i == 0 || kTable[i - 1].group != setting.group) text += "\n" + std::string(title(setting.group)) + ":\n";
    text += names_of(setting) + line("", setting.meaning);
    if (!setting.allowed.empty()) text += line("allowed: ", setting.allowed);
    text += line("default: ", setting.unless_given);
  }
  return text;
}

}  // namespace manta::settings
