#include "tests/core/settings/page.h"

#include "core/settings/help.h"
#include "core/settings/table.h"

namespace manta::settings {
namespace {

constexpr std::string_view kBegin = "<!-- Generated ";
constexpr std::string_view kEnd = "<!-- End of what is generated";

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string row(const Setting& setting) {
  std::string names = code(std::string(setting.variable) + "=" + std::string(setting.value));
  if (!setting.flag.empty()) {
    names += ", " + code("--manta-" + std::string(setting.flag) + "=" + std::string(setting.value));
  }
  if (!setting.option.empty()) names += ", " + code(setting.option);
  return "| " + names + " | " + std::string(setting.meaning) + " | " +
         (setting.allowed.empty() ? "any text" : std::string(setting.allowed)) + " | " +
         std::string(setting.unless_given) + " |\n";
}

}  // namespace

std::string tables() {
  std::string text;
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (i == 0 || kTable[i - 1].group != kTable[i].group) {
      text += "\n## " + std::string(title(kTable[i].group)) +
              "\n\n| setting | meaning | allowed | default |\n| --- | --- | --- | --- |\n";
    }
    text += row(kTable[i]);
  }
  return text + "\n";
}

std::string with_tables(const std::string& page) {
  const std::size_t begin = page.find(kBegin), first = page.find('\n', begin), end = page.find(kEnd);
  if (begin == std::string::npos || first == std::string::npos || end == std::string::npos || end < first) return {};
  return page.substr(0, first + 1) + tables() + page.substr(end);
}

}  // namespace manta::settings
