// How callables' arguments and answers become JSON: nlohmann's from_json and to_json, as NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE
// makes them for a struct. The one place where a public header needs that library.
#pragma once

#include <nlohmann/json.hpp>
