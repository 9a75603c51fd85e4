// Which program this process runs.
#pragma once

#include <cstdint>

namespace manta {

// A hash of the program's build id, or, where it was linked without one, of its file: equal in all processes of one
// build. 0: neither can be read.
std::uint64_t program_id();

}  // namespace manta
