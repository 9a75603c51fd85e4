/// Settings from the environment. For Manta's libraries, not for users.
///
/// The table of settings has a row for each variable, with its type, its range and its meaning; core/SETTINGS.md lists
/// them. Each call reads the environment anew; an empty value counts as none.
///
/// **Threading**: any thread, while none changes the environment. **Ownership**: results are values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace manta::detail {

/// The value of a setting of type text; empty where it is not given. Throws Error(internal) where the table has no such
/// setting.
std::string text_setting(std::string_view variable);

/// The value of a setting of type whole; empty where it is not given. Throws Error(invalid_argument), which names the
/// variable, its value and what is allowed, and Error(internal) where the table has no such setting.
std::optional<std::int64_t> whole_setting(std::string_view variable);

}  // namespace manta::detail
