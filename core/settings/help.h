// The table of settings as text.
#pragma once

#include <string>
#include <string_view>

#include "core/settings/table.h"

namespace manta::settings {

// "All programs", "Programs that train" and so on.
std::string_view title(Group group);
// What --manta-help prints: of each setting its flag, its variable and its field, its meaning, what is allowed, and its
// default.
std::string help();

}  // namespace manta::settings
