// Callables' arguments and answers are converted by nlohmann's from_json and to_json, which
// NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE makes for a struct. The only public header that includes that library.
#pragma once

#include <nlohmann/json.hpp>
