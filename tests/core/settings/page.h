// The page core/SETTINGS.md: a part that is written by hand, and one that is made from the table of settings.
#pragma once

#include <string>

namespace manta::settings {

// A table in Markdown for each group of settings.
std::string tables();
// The page with what stands between its two marks replaced by tables(). Empty: the page lacks a mark.
std::string with_tables(const std::string& page);

}  // namespace manta::settings
