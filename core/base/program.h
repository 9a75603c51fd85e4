// Which program this process runs.
#pragma once

#include <cstdint>

namespace manta {

// A hash of the program's build id: equal in all processes of one build. 0: it was linked without one.
std::uint64_t program_id();

}  // namespace manta
